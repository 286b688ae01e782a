package dataset

import "math"

// resizeBox scales a region of img to width x height and returns the window of the result, the rest of which is never
// computed. It gives the bytes of Pillow's bilinear filter: a triangle as wide as the reduction (so that shrinking averages
// and nothing aliases), rows first, then columns, 8 bits in between, weights in fixed point. (Pillow 13 does the columns
// first where that is cheaper; the versions that TCL was trained with did not.)
func resizeBox(img *Image, b box, width, height int, window box) *Image {
	across := triangleTaps(b.width, width, window.x, window.width)
	down := triangleTaps(b.height, height, window.y, window.height)
	bottom := down[len(down)-1]
	top, used := down[0].first, bottom.first+len(bottom.weights)-down[0].first
	rows := newImage(window.width, used)
	for y := range used {
		from := 3 * ((b.y+top+y)*img.Width + b.x)
		resizeRow(rows.Pix[3*y*rows.Width:3*(y+1)*rows.Width], img.Pix[from:from+3*b.width], across)
	}
	out := newImage(window.width, window.height)
	sums := make([]int32, 3*out.Width)
	for y, t := range down {
		blendRows(out.Pix[3*y*out.Width:3*(y+1)*out.Width], rows.Pix[3*(t.first-top)*rows.Width:], t.weights, sums)
	}
	return out
}

// weightBits is the precision of a weight: 8 bits of pixel, 22 of weight and 2 spare fill an int32.
const weightBits = 22

// taps are the weights of consecutive input pixels, from first on, in one output pixel. They sum to about 1<<weightBits.
type taps struct {
	first   int
	weights []int32
}

// triangleTaps returns the taps of the n outputs from start on, when from pixels become to.
func triangleTaps(from, to, start, n int) []taps {
	scale := float64(from) / float64(to)
	reach := max(scale, 1)
	all := make([]taps, n)
	for i := range all {
		centre := float64((float64(start+i) + 0.5) * scale)
		first := max(0, int(centre-reach+0.5))
		last := min(from, int(centre+reach+0.5))
		all[i] = taps{first, triangleWeights(first, last, centre, reach)}
	}
	return all
}

// triangleWeights samples a triangle of half-width reach at pixels first..last-1.
func triangleWeights(first, last int, centre, reach float64) []int32 {
	values, sum := make([]float64, last-first), 0.0
	for i := range values {
		values[i] = max(0, 1-math.Abs((float64(first+i)-centre+0.5)*(1/reach)))
		sum += values[i]
	}
	weights := make([]int32, len(values))
	for i, v := range values {
		weights[i] = int32(0.5 + v/sum*(1<<weightBits))
	}
	return weights
}

const halfWeight = 1 << (weightBits - 1)

func resizeRow(dst, src []uint8, across []taps) {
	for x, t := range across {
		r, g, b := int32(halfWeight), int32(halfWeight), int32(halfWeight)
		pixels := src[3*t.first : 3*(t.first+len(t.weights))]
		for i, w := range t.weights {
			p := pixels[3*i : 3*i+3 : 3*i+3]
			r += w * int32(p[0])
			g += w * int32(p[1])
			b += w * int32(p[2])
		}
		dst[3*x], dst[3*x+1], dst[3*x+2] = roundWeighted(r), roundWeighted(g), roundWeighted(b)
	}
}

// blendRows sums consecutive rows of src, each as long as dst; sums is scratch of that length.
func blendRows(dst, src []uint8, weights, sums []int32) {
	for i := range sums {
		sums[i] = halfWeight
	}
	for j, w := range weights {
		row := src[j*len(dst) : (j+1)*len(dst)]
		for i, v := range row {
			sums[i] += w * int32(v)
		}
	}
	for i, s := range sums {
		dst[i] = roundWeighted(s)
	}
}

func roundWeighted(sum int32) uint8 { return uint8(min(sum>>weightBits, 255)) }
