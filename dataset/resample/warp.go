package resample

import (
	"fmt"
	"math"
)

// Affine maps the position of an output pixel to one in the input: (A*x + B*y + C, D*x + E*y + F). Pixel i covers i..i+1.
type Affine struct{ A, B, C, D, E, F float64 }

func checkWarp(dst, src []uint8, width, height int) {
	if n := 3 * width * height; len(dst) != n || len(src) != n {
		panic(fmt.Sprintf("resample: %d bytes warped into %d, %d x %d pixels", len(src), len(dst), width, height))
	}
}

// warpGo is Warp in Go: the reference, and all there is without cgo.
func warpGo(dst, src []uint8, width, height int, m Affine, fill [3]uint8) {
	for y := range height {
		py := float64(y) + 0.5
		row := dst[3*y*width : 3*(y+1)*width]
		for px := 0.5; len(row) > 0; px, row = px+1, row[3:] {
			x, y := float64(m.A*px)+float64(m.B*py)+m.C, float64(m.D*px)+float64(m.E*py)+m.F
			if x >= 0 && x < float64(width) && y >= 0 && y < float64(height) {
				sampleBilinear((*[3]uint8)(row), src, width, height, x, y)
			} else {
				*(*[3]uint8)(row) = fill
			}
		}
	}
}

// sampleBilinear reads src at (x, y), which lies within. At the rim the nearest pixels are repeated. What shears and shifts along one
// axis only is exactly between two pixels, not four.
func sampleBilinear(dst *[3]uint8, src []uint8, width, height int, x, y float64) {
	left, top := math.Floor(x-0.5), math.Floor(y-0.5)
	fx, fy := x-0.5-left, y-0.5-top
	x0, x1 := 3*max(int(left), 0), 3*min(int(left)+1, width-1)
	y0, y1 := 3*width*max(int(top), 0), 3*width*min(int(top)+1, height-1)
	p00, p01, p10, p11 := (*[3]uint8)(src[y0+x0:]), (*[3]uint8)(src[y0+x1:]), (*[3]uint8)(src[y1+x0:]), (*[3]uint8)(src[y1+x1:])
	switch {
	case fy == 0:
		for c := range dst {
			dst[c] = uint8(mix(float64(p00[c]), float64(p01[c]), fx))
		}
	case fx == 0:
		for c := range dst {
			dst[c] = uint8(mix(float64(p00[c]), float64(p10[c]), fy))
		}
	default:
		for c := range dst {
			u, l := mix(float64(p00[c]), float64(p01[c]), fx), mix(float64(p10[c]), float64(p11[c]), fx)
			dst[c] = uint8(mix(u, l, fy))
		}
	}
}

func mix(a, b, t float64) float64 { return a + float64((b-a)*t) }
