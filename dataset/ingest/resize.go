package ingest

import (
	"math"

	"github.com/textground/textground/dataset/turbojpeg"
)

// plane is one or more interleaved 8-bit channels.
type plane struct {
	pix                     []uint8
	stride                  int // bytes a row
	width, height, channels int
}

// Weights are fixed-point numbers, so that every machine computes the same bits, with vector code or without.
const (
	weightBits = 14
	weightOne  = 1 << weightBits
	weightHalf = weightOne / 2
)

// tapBlock is how many taps vector code takes at once; numbers of taps are multiples of it where a line is long enough.
const tapBlock = 4

// taps say what the values of a shrunken line are made of: value i of the width values from first[i] on, with
// weights[i*width:][:width], whose sum is weightOne. No stretch leaves the line.
type taps struct {
	width   int
	first   []int32
	weights []int16
}

// triangle returns the taps that shrink a line of from values to to: a triangle as wide as two output values, so that no
// input value is stepped over. It does not enlarge.
func triangle(from, to int) taps {
	scale := float64(from) / float64(to)
	width := min((int(math.Ceil(2*scale))+tapBlock-1)/tapBlock*tapBlock, from)
	t := taps{width, make([]int32, to), make([]int16, to*width)}
	for i := range to {
		centre := (float64(i) + 0.5) * scale
		first, last := max(0, int(math.Floor(centre-scale-0.5))+1), min(from-1, int(math.Ceil(centre+scale-0.5))-1)
		raw := make([]float64, last-first+1)
		sum := 0.0
		for j := range raw {
			raw[j] = max(0, 1-math.Abs(float64(first+j)+0.5-centre)/scale)
			sum += raw[j]
		}
		begin := min(first, from-width)
		t.first[i] = int32(begin)
		quantize(t.weights[i*width:][first-begin:], raw, sum)
	}
	return t
}

// quantize makes the weights whole numbers; what rounding leaves over goes to the largest.
func quantize(into []int16, raw []float64, sum float64) {
	left, largest := weightOne, 0
	for j, w := range raw {
		n := int(math.Round(w / sum * weightOne))
		into[j] = int16(n)
		left -= n
		if raw[j] > raw[largest] {
			largest = j
		}
	}
	into[largest] += int16(left)
}

// scratch is memory that one picture after the other uses.
type scratch struct {
	turbojpeg.Room
	narrow []uint8
}

// shrink returns p in a smaller size: rows first, then columns.
func (p plane) shrink(width, height int, room *scratch) plane {
	out := plane{make([]uint8, width*height*p.channels), width * p.channels, width, height, p.channels}
	across, down := triangle(p.width, width), triangle(p.height, height)
	if cap(room.narrow) < out.stride*p.height {
		room.narrow = make([]uint8, out.stride*p.height)
	}
	narrow := room.narrow[:out.stride*p.height]
	p.narrow(narrow, across)
	lower(out.pix, narrow, out.stride, down)
	return out
}

// narrowGo writes the rows of p, made narrower, one after the other.
func (p plane) narrowGo(into []uint8, across taps) {
	c, n := p.channels, len(across.first)
	for y := range p.height {
		line, out := p.pix[y*p.stride:], into[y*n*c:][:n*c]
		for i, first := range across.first {
			weights := across.weights[i*across.width:][:across.width]
			for channel := range c {
				sum := int32(weightHalf)
				for j, w := range weights {
					if w != 0 {
						sum += int32(w) * int32(line[(int(first)+j)*c+channel])
					}
				}
				out[i*c+channel] = uint8(sum >> weightBits)
			}
		}
	}
}

// lowerGo sums rows of stride bytes to fewer.
func lowerGo(into, rows []uint8, stride int, down taps) {
	sums := make([]int32, stride)
	for y, first := range down.first {
		for i := range sums {
			sums[i] = weightHalf
		}
		for j, w := range down.weights[y*down.width:][:down.width] {
			if w != 0 {
				for i, v := range rows[(int(first)+j)*stride:][:stride] {
					sums[i] += int32(w) * int32(v)
				}
			}
		}
		for i, v := range sums {
			into[y*stride+i] = uint8(v >> weightBits)
		}
	}
}
