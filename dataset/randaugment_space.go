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
	out := newImage(img.Width, img.Height)
	for y := range out.Height {
		for x := range out.Width {
			px, py := float64(x)+0.5, float64(y)+0.5
			dst := out.Pix[3*(y*out.Width+x):]
			sampleBilinear(dst[:3:3], img, float64(m.a*px)+float64(m.b*py)+m.c, float64(m.d*px)+float64(m.e*py)+m.f)
		}
	}
	return out
}

// sampleBilinear reads img at (x, y), where pixel i covers i..i+1. At the rim the nearest pixels are repeated.
func sampleBilinear(dst []uint8, img *Image, x, y float64) {
	if !(x >= 0 && x < float64(img.Width) && y >= 0 && y < float64(img.Height)) {
		copy(dst, fillColour[:])
		return
	}
	left, top := math.Floor(x-0.5), math.Floor(y-0.5)
	fx, fy := x-0.5-left, y-0.5-top
	x0, x1 := 3*max(int(left), 0), 3*min(int(left)+1, img.Width-1)
	upper := img.Pix[3*img.Width*max(int(top), 0):]
	lower := img.Pix[3*img.Width*min(int(top)+1, img.Height-1):]
	for c := range dst {
		u := mix(upper[x0+c], upper[x1+c], fx)
		l := mix(lower[x0+c], lower[x1+c], fx)
		dst[c] = uint8(u + float64((l-u)*fy))
	}
}

func mix(a, b uint8, t float64) float64 {
	return float64(a) + float64((float64(b)-float64(a))*t)
}

// adjustSharpness blends with the picture smoothed by the 3x3 kernel 1 1 1, 1 5 1, 1 1 1 over 13; the rim is not smoothed.
func adjustSharpness(img *Image, factor float64) *Image {
	out := newImage(img.Width, img.Height)
	copy(out.Pix, img.Pix)
	stride := 3 * img.Width
	for y := 1; y < img.Height-1; y++ {
		for i := y*stride + 3; i < (y+1)*stride-3; i++ {
			out.Pix[i] = blendValue(smoothed(img.Pix, i, stride), img.Pix[i], float32(factor))
		}
	}
	return out
}

func smoothed(pix []uint8, i, stride int) uint8 {
	sum := 4 * int(pix[i])
	for _, row := range [3]int{i - stride, i, i + stride} {
		sum += int(pix[row-3]) + int(pix[row]) + int(pix[row+3])
	}
	return uint8((2*sum + 13) / 26)
}
