package dataset

import (
	"math"

	"github.com/textground/textground/dataset/resample"
)

// of makes the view of a picture; what lies outside its window is never computed. It gives the bytes of Pillow's bilinear filter: a
// triangle as wide as the reduction (so that shrinking averages and nothing aliases), rows first, then columns, 8 bits in between,
// weights in fixed point. (Pillow 13 does the columns first where that is cheaper; the versions that TCL was trained with did not.)
func (v view) of(img *Image) *Image {
	width, height := img.fileSize()
	reduced := max(img.reduced, 1)
	x, y := stretchOf(v.from.x, v.from.width, width, reduced), stretchOf(v.from.y, v.from.height, height, reduced)
	across := triangleTaps(x, v.width, v.window.x, v.window.width)
	down := triangleTaps(y, v.height, v.window.y, v.window.height)
	if v.mirrored {
		across = across.Backwards()
	}
	out := borrowImage(v.window.width, v.window.height)
	resample.Resize(out.Pix, img.Pix[3*((y.first-img.top)*img.Width+x.first-img.left):], 3*img.Width, across, down)
	return out
}

// stretch is what one side of a region covers: whole pixels, and where in the first of them it begins. Regions of pictures that
// were reduced begin and end inside pixels.
type stretch struct {
	first, pixels  int
	offset, length float64 // in pixels
}

// stretchOf places n pixels of a file with side pixels, from at on, in the picture that it becomes when reduced pixels are made one.
func stretchOf(at, n, side, reduced int) stretch {
	first, end := at/reduced, min((at+n+reduced-1)/reduced, (side+reduced-1)/reduced)
	return stretch{first, end - first, float64(at%reduced) / float64(reduced), float64(n) / float64(reduced)}
}

// triangleTaps returns the taps of the n outputs from start on, when a stretch becomes to pixels. An output that has fewer
// weights than another gets zeros.
func triangleTaps(from stretch, to, start, n int) resample.Taps {
	scale := from.length / float64(to)
	reach := max(scale, 1)
	centre := func(i int) float64 { return from.offset + float64((float64(start+i)+0.5)*scale) }
	begin := func(i int) int { return max(0, int(centre(i)-reach+0.5)) }
	end := func(i int) int { return min(from.pixels, int(centre(i)+reach+0.5)) }
	width := 0
	for i := range n {
		width = max(width, end(i)-begin(i))
	}
	taps := resample.Taps{Width: width, First: make([]int32, n), Weights: make([]int32, n*width)}
	for i := range n {
		first := min(begin(i), from.pixels-width)
		taps.First[i] = int32(first)
		triangleWeights(taps.Weights[i*width+begin(i)-first:][:end(i)-begin(i)], begin(i), centre(i), reach)
	}
	return taps
}

// triangleWeights samples a triangle of half-width reach at the pixels from first on.
func triangleWeights(weights []int32, first int, centre, reach float64) {
	height := func(i int) float64 { return max(0, 1-math.Abs((float64(first+i)-centre+0.5)*(1/reach))) }
	sum := 0.0
	for i := range weights {
		sum += height(i)
	}
	for i := range weights {
		weights[i] = int32(0.5 + height(i)/sum*(1<<resample.WeightBits))
	}
}
