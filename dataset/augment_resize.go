package dataset

import (
	"math"

	"github.com/textground/textground/dataset/resample"
)

// resizeBox scales a region of img, in pixels of its file, to width x height and returns the window of the result, the rest of
// which is never computed. It gives the bytes of Pillow's bilinear filter: a triangle as wide as the reduction (so that
// shrinking averages and nothing aliases), rows first, then columns, 8 bits in between, weights in fixed point. (Pillow 13 does
// the columns first where that is cheaper; the versions that TCL was trained with did not.)
func resizeBox(img *Image, b box, width, height int, window box) *Image {
	x, y := stretchOf(b.x, b.width, img.Width, img.reduced), stretchOf(b.y, b.height, img.Height, img.reduced)
	across := triangleTaps(x, width, window.x, window.width)
	down := triangleTaps(y, height, window.y, window.height)
	out := newImage(window.width, window.height)
	resample.Resize(out.Pix, img.Pix[3*(y.first*img.Width+x.first):], 3*img.Width, across, down)
	return out
}

// stretch is what one side of a region covers: whole pixels, and where in the first of them it begins. Regions of pictures that
// were reduced begin and end inside pixels.
type stretch struct {
	first, pixels  int
	offset, length float64 // in pixels
}

// stretchOf places n pixels of the file from at on in a picture with side pixels, each of them reduced pixels of the file.
func stretchOf(at, n, side, reduced int) stretch {
	if reduced == 0 {
		return stretch{at, n, 0, float64(n)}
	}
	first := at / reduced
	end := min((at+n+reduced-1)/reduced, side)
	return stretch{first, end - first, float64(at%reduced) / float64(reduced), float64(n) / float64(reduced)}
}

// triangleTaps returns the taps of the n outputs from start on, when a stretch becomes to pixels. An output that has fewer
// weights than another gets zeros.
func triangleTaps(from stretch, to, start, n int) resample.Taps {
	scale := from.length / float64(to)
	reach := max(scale, 1)
	weights, first := make([][]int32, n), make([]int32, n)
	width := 0
	for i := range weights {
		centre := from.offset + float64((float64(start+i)+0.5)*scale)
		begin := max(0, int(centre-reach+0.5))
		end := min(from.pixels, int(centre+reach+0.5))
		first[i], weights[i] = int32(begin), triangleWeights(begin, end, centre, reach)
		width = max(width, end-begin)
	}
	flat := make([]int32, n*width)
	for i, own := range weights {
		begin := min(int(first[i]), from.pixels-width)
		copy(flat[i*width+int(first[i])-begin:], own)
		first[i] = int32(begin)
	}
	return resample.Taps{Width: width, First: first, Weights: flat}
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
		weights[i] = int32(0.5 + v/sum*(1<<resample.WeightBits))
	}
	return weights
}
