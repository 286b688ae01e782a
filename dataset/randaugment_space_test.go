package dataset

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/textground/textground/dataset/resample"
)

// plainWarp is warp by its definition: every pixel from four, whatever the map.
func plainWarp(img *Image, m resample.Affine) *Image {
	out := newImage(img.Width, img.Height)
	for i := range out.Width * out.Height {
		px, py := float64(i%out.Width)+0.5, float64(i/out.Width)+0.5
		x, y := float64(m.A*px)+float64(m.B*py)+m.C, float64(m.D*px)+float64(m.E*py)+m.F
		if !(x >= 0 && x < float64(img.Width) && y >= 0 && y < float64(img.Height)) {
			copy(out.Pix[3*i:], fillColour[:])
			continue
		}
		left, top := math.Floor(x-0.5), math.Floor(y-0.5)
		at := func(x, y float64, c int) float64 {
			x, y = min(max(x, 0), float64(img.Width-1)), min(max(y, 0), float64(img.Height-1))
			return float64(img.Pix[3*(int(y)*img.Width+int(x))+c])
		}
		mix := func(a, b, t float64) float64 { return a + float64((b-a)*t) }
		for c := range 3 {
			u := mix(at(left, top, c), at(left+1, top, c), x-0.5-left)
			l := mix(at(left, top+1, c), at(left+1, top+1, c), x-0.5-left)
			out.Pix[3*i+c] = uint8(mix(u, l, y-0.5-top))
		}
	}
	return out
}

func plainSharpness(img *Image, factor float64) *Image {
	out, stride := newImage(img.Width, img.Height), 3*img.Width
	copy(out.Pix, img.Pix)
	for y := 1; y < img.Height-1; y++ {
		for i := y*stride + 3; i < (y+1)*stride-3; i++ {
			sum := 4 * int(img.Pix[i])
			for _, at := range []int{i - stride, i, i + stride} {
				sum += int(img.Pix[at-3]) + int(img.Pix[at]) + int(img.Pix[at+3])
			}
			out.Pix[i] = blendValue(uint8((2*sum+13)/26), img.Pix[i], float32(factor))
		}
	}
	return out
}

func anyPicture(t *rapid.T) *Image {
	return testPicture(rapid.IntRange(1, 40).Draw(t, "width"), rapid.IntRange(1, 40).Draw(t, "height"), rapid.Uint32Min(1).Draw(t, "picture"))
}

func TestWarpingIsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		img, v := anyPicture(t), rapid.Float64Range(-50, 50).Draw(t, "by")
		for name, c := range map[string]struct {
			got *Image
			m   resample.Affine
		}{
			"shear x": {shearX(img, v/100), resample.Affine{A: 1, B: v / 100, E: 1}},
			"shear y": {shearY(img, v/100), resample.Affine{A: 1, D: v / 100, E: 1}},
			"shift x": {translateX(img, v/100), resample.Affine{A: 1, C: v / 100 * float64(img.Width), E: 1}},
			"shift y": {translateY(img, v/100), resample.Affine{A: 1, E: 1, F: v / 100 * float64(img.Height)}},
			"any map": {warp(img, resample.Affine{A: 1 + v/50, B: v / 30, C: v, D: -v / 40, E: 1 - v/60, F: v / 2}), resample.Affine{A: 1 + v/50, B: v / 30, C: v, D: -v / 40, E: 1 - v/60, F: v / 2}},
		} {
			if want := plainWarp(img, c.m); !slices.Equal(c.got.Pix, want.Pix) {
				t.Fatalf("%s by %v of %d x %d differs", name, v, img.Width, img.Height)
			}
		}
	})
}

func TestSharpeningIsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		img, factor := anyPicture(t), rapid.Float64Range(0.1, 1.9).Draw(t, "factor")
		if got, want := adjustSharpness(img, factor), plainSharpness(img, factor); !slices.Equal(got.Pix, want.Pix) {
			t.Fatalf("%d x %d differs", img.Width, img.Height)
		}
	})
}
