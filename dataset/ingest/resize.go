package ingest

import "math"

// plane is one or more interleaved 8-bit channels.
type plane struct {
	pix                     []uint8
	stride                  int // bytes a row
	width, height, channels int
}

// Weights are fixed-point numbers, so that every machine computes the same bits.
const (
	weightBits = 14
	weightOne  = 1 << weightBits
	weightHalf = weightOne / 2
)

// tap says which stretch of a line an output value is made of, and how.
type tap struct {
	first   int
	weights []int32 // of sum weightOne
}

// triangle returns the taps that shrink a line of from values to to: a triangle as wide as two output values, so that no
// input value is stepped over. It does not enlarge.
func triangle(from, to int) []tap {
	scale := float64(from) / float64(to)
	taps := make([]tap, to)
	for i := range taps {
		centre := (float64(i) + 0.5) * scale
		first, last := max(0, int(centre-scale)), min(from-1, int(centre+scale))
		raw := make([]float64, last-first+1)
		sum := 0.0
		for j := range raw {
			raw[j] = max(0, 1-math.Abs(float64(first+j)+0.5-centre)/scale)
			sum += raw[j]
		}
		taps[i] = tap{first, quantized(raw, sum)}
	}
	return taps
}

// quantized makes the weights whole numbers; what rounding leaves over goes to the largest.
func quantized(raw []float64, sum float64) []int32 {
	weights := make([]int32, len(raw))
	left, largest := int32(weightOne), 0
	for j, w := range raw {
		weights[j] = int32(math.Round(w / sum * weightOne))
		left -= weights[j]
		if raw[j] > raw[largest] {
			largest = j
		}
	}
	weights[largest] += left
	return weights
}

// shrink returns p in a smaller size, line by line across and then down.
func (p plane) shrink(width, height int) plane {
	out := plane{make([]uint8, width*height*p.channels), width * p.channels, width, height, p.channels}
	columns, rows := triangle(p.width, width), triangle(p.height, height)
	narrow := newNarrowed(p, columns)
	sums := make([]int32, out.stride)
	for y, row := range rows {
		for i := range sums {
			sums[i] = weightHalf
		}
		for j, w := range row.weights {
			addScaled(sums, narrow.row(row.first+j, row.first), w)
		}
		into := out.pix[y*out.stride : (y+1)*out.stride]
		for i, v := range sums {
			into[i] = uint8(v >> weightBits)
		}
	}
	return out
}

func addScaled(sums []int32, line []uint8, w int32) {
	line = line[:len(sums)]
	for i, v := range line {
		sums[i] += w * int32(v)
	}
}

// narrowed makes the rows of a plane narrower as they are asked for, and keeps those that are still needed.
type narrowed struct {
	from  plane
	taps  []tap
	kept  [][]uint8 // by row; nil before and after its time
	spare [][]uint8
	made  int
	freed int
}

func newNarrowed(p plane, taps []tap) *narrowed {
	return &narrowed{from: p, taps: taps, kept: make([][]uint8, p.height)}
}

// row returns row y. Rows before first are not asked for again.
func (n *narrowed) row(y, first int) []uint8 {
	for ; n.freed < first; n.freed++ {
		if line := n.kept[n.freed]; line != nil {
			n.spare, n.kept[n.freed] = append(n.spare, line), nil
		}
	}
	for ; n.made <= y; n.made++ {
		if n.made >= first {
			n.kept[n.made] = n.line()
			n.across(n.kept[n.made], n.from.pix[n.made*n.from.stride:])
		}
	}
	return n.kept[y]
}

func (n *narrowed) line() []uint8 {
	if last := len(n.spare) - 1; last >= 0 {
		line := n.spare[last]
		n.spare = n.spare[:last]
		return line
	}
	return make([]uint8, len(n.taps)*n.from.channels)
}

func (n *narrowed) across(into, line []uint8) {
	c := n.from.channels
	if c == 1 {
		for i, t := range n.taps {
			sum := int32(weightHalf)
			values := line[t.first:][:len(t.weights)]
			for j, w := range t.weights {
				sum += w * int32(values[j])
			}
			into[i] = uint8(sum >> weightBits)
		}
		return
	}
	for i, t := range n.taps {
		for channel := range c {
			sum := int32(weightHalf)
			for j, w := range t.weights {
				sum += w * int32(line[(t.first+j)*c+channel])
			}
			into[i*c+channel] = uint8(sum >> weightBits)
		}
	}
}
