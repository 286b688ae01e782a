package dataset

import "math"

// The operations that move pixels or mix neighbours.

// fillColour is shown where a moved picture has no pixels: the data set's mean.
var fillColour = [3]uint8{124, 116, 104}

// affine maps the position of an output pixel to one in the input: (a*x + b*y + c, d*x + e*y + f).
type affine struct{ a, b, c, d, e, f float64 }

func shearX(img *Image, factor float64) *Image { return warp(img, affine{1, factor, 0, 0, 1, 0}) }
func shearY(img *Image, factor float64) *Image { return warp(img, affine{1, 0, 0, factor, 1, 0}) }

// translateX and translateY move by a fraction of the side.
func translateX(img *Image, fraction float64) *Image {
	return warp(img, affine{1, 0, fraction * float64(img.Width), 0, 1, 0})
}

func translateY(img *Image, fraction float64) *Image {
	return warp(img, affine{1, 0, 0, 0, 1, fraction * float64(img.Height)})
}

// rotate turns counter-clockwise about the middle.
func rotate(img *Image, degrees float64) *Image {
	turn := math.Mod(degrees+360, 360) * (math.Pi / 180)
	sin, cos := rounded15(math.Sin(-turn)), rounded15(math.Cos(-turn))
	x, y := float64(img.Width)/2, float64(img.Height)/2
	return warp(img, affine{cos, sin, float64(cos*-x) + float64(sin*-y) + x, -sin, cos, float64(-sin*-x) + float64(cos*-y) + y})
}

// rounded15 rounds to 15 decimals, as Pillow does, so that a quarter turn has exact zeros.
func rounded15(v float64) float64 { return math.RoundToEven(v*1e15) / 1e15 }

// warp fetches every pixel from where m points, bilinearly, and the fill colour from outside.
func warp(img *Image, m affine) *Image {
	out := borrowImage(img.Width, img.Height)
	width, height := float64(img.Width), float64(img.Height)
	for y := range out.Height {
		py := float64(y) + 0.5
		row := out.Pix[3*y*out.Width : 3*(y+1)*out.Width]
		for px := 0.5; len(row) > 0; px, row = px+1, row[3:] {
			x, y := float64(m.a*px)+float64(m.b*py)+m.c, float64(m.d*px)+float64(m.e*py)+m.f
			if x >= 0 && x < width && y >= 0 && y < height {
				sampleBilinear((*[3]uint8)(row), img, x, y)
			} else {
				*(*[3]uint8)(row) = fillColour
			}
		}
	}
	return out
}

// sampleBilinear reads img at (x, y), which lies within, where pixel i covers i..i+1. At the rim the nearest pixels are repeated. What
// shears and shifts along one axis only is exactly between two pixels, not four.
func sampleBilinear(dst *[3]uint8, img *Image, x, y float64) {
	left, top := math.Floor(x-0.5), math.Floor(y-0.5)
	fx, fy := x-0.5-left, y-0.5-top
	x0, x1 := 3*max(int(left), 0), 3*min(int(left)+1, img.Width-1)
	y0, y1 := 3*img.Width*max(int(top), 0), 3*img.Width*min(int(top)+1, img.Height-1)
	p00, p11 := (*[3]uint8)(img.Pix[y0+x0:]), (*[3]uint8)(img.Pix[y1+x1:])
	switch {
	case fy == 0:
		p01 := (*[3]uint8)(img.Pix[y0+x1:])
		for c := range dst {
			dst[c] = uint8(mix(float64(p00[c]), float64(p01[c]), fx))
		}
	case fx == 0:
		p10 := (*[3]uint8)(img.Pix[y1+x0:])
		for c := range dst {
			dst[c] = uint8(mix(float64(p00[c]), float64(p10[c]), fy))
		}
	default:
		p01, p10 := (*[3]uint8)(img.Pix[y0+x1:]), (*[3]uint8)(img.Pix[y1+x0:])
		for c := range dst {
			u, l := mix(float64(p00[c]), float64(p01[c]), fx), mix(float64(p10[c]), float64(p11[c]), fx)
			dst[c] = uint8(mix(u, l, fy))
		}
	}
}

func mix(a, b, t float64) float64 { return a + float64((b-a)*t) }

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
