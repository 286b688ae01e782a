package dataset

import (
	"math"

	"github.com/textground/textground/dataset/resample"
)

// The operations that move pixels or mix neighbours.

// fillColour is shown where a moved picture has no pixels: the data set's mean.
var fillColour = [3]uint8{124, 116, 104}

func shearX(img *Image, factor float64) *Image {
	return warp(img, resample.Affine{A: 1, B: factor, E: 1})
}
func shearY(img *Image, factor float64) *Image {
	return warp(img, resample.Affine{A: 1, D: factor, E: 1})
}

// translateX and translateY move by a fraction of the side.
func translateX(img *Image, fraction float64) *Image {
	return warp(img, resample.Affine{A: 1, C: fraction * float64(img.Width), E: 1})
}

func translateY(img *Image, fraction float64) *Image {
	return warp(img, resample.Affine{A: 1, E: 1, F: fraction * float64(img.Height)})
}

// rotate turns counter-clockwise about the middle.
func rotate(img *Image, degrees float64) *Image {
	turn := math.Mod(degrees+360, 360) * (math.Pi / 180)
	sin, cos := rounded15(math.Sin(-turn)), rounded15(math.Cos(-turn))
	x, y := float64(img.Width)/2, float64(img.Height)/2
	return warp(img, resample.Affine{
		A: cos, B: sin, C: float64(cos*-x) + float64(sin*-y) + x,
		D: -sin, E: cos, F: float64(-sin*-x) + float64(cos*-y) + y,
	})
}

// rounded15 rounds to 15 decimals, as Pillow does, so that a quarter turn has exact zeros.
func rounded15(v float64) float64 { return math.RoundToEven(v*1e15) / 1e15 }

func warp(img *Image, m resample.Affine) *Image {
	out := borrowImage(img.Width, img.Height)
	resample.Warp(out.Pix, img.Pix, img.Width, img.Height, m, fillColour)
	return out
}

// adjustSharpness blends with the picture smoothed by the 3x3 kernel 1 1 1, 1 5 1, 1 1 1 over 13; the rim is not smoothed.
func adjustSharpness(img *Image, factor float64) *Image {
	out := borrowImage(img.Width, img.Height)
	copy(out.Pix, img.Pix)
	stride := 3 * img.Width
	columns := make([]int, stride) // sums of three
	for y := 1; y < img.Height-1; y++ {
		above, row, below := img.Pix[(y-1)*stride:][:stride], img.Pix[y*stride:][:stride], img.Pix[(y+1)*stride:][:stride]
		for i := range columns {
			columns[i] = int(above[i]) + int(row[i]) + int(below[i])
		}
		sharpenRow(out.Pix[y*stride:][:stride], row, columns, float32(factor))
	}
	return out
}

func sharpenRow(dst, row []uint8, columns []int, factor float32) {
	for i := 3; i < len(row)-3; i++ {
		sum := columns[i-3] + columns[i] + columns[i+3] + 4*int(row[i])
		dst[i] = blendValue(uint8((2*sum+13)/26), row[i], factor)
	}
}
