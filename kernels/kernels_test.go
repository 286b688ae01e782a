package kernels_test

import (
	"math"
	"strings"
	"testing"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/ref"
)

// Known answers keep every implementation, in whatever language, at one function.
func TestBlockDigestIsPinned(t *testing.T) {
	digest := func(values ...float32) uint64 {
		return kernels.BlockDigest(func(i int) uint32 { return math.Float32bits(values[i]) }, len(values))
	}
	for _, c := range []struct {
		values []float32
		want   uint64
	}{
		{nil, 0},
		{[]float32{0}, 0xe220a8397b1dcdaf},
		{[]float32{0, 0}, 0xe220a8397b1dcdaf}, // a missing half counts as zero
	} {
		if got := digest(c.values...); got != c.want {
			t.Errorf("%v: %#x, want %#x", c.values, got, c.want)
		}
	}
	if digest(1, 2) == digest(2, 1) || digest(1, 2, 3, 4) == digest(3, 4, 1, 2) {
		t.Error("order does not show")
	}
	if digest(0) == digest(float32(math.Copysign(0, -1))) {
		t.Error("the sign of zero does not show")
	}
}

func TestViewsShareMemory(t *testing.T) {
	dev := ref.New()
	x := dev.Alloc(kernels.Float32, 2, 3, 4)
	for i := range kernels.Host[float32](x) {
		kernels.Host[float32](x)[i] = float32(i)
	}
	for _, c := range []struct {
		name        string
		view        kernels.Tensor
		first, last float32
		rows, cols  int
	}{
		{"columns", x.Columns(1, 3), 1, 22, 6, 2},
		{"rows", x.RowRange(2, 4), 8, 15, 2, 4},
		{"rows of columns", x.Columns(1, 3).RowRange(5, 6), 21, 22, 1, 2},
		{"every class row", x.Reshape(2, 12).Columns(0, 4), 0, 15, 2, 4},
		{"part", x.View(12, 3, 4), 12, 23, 3, 4},
	} {
		data := kernels.Host[float32](c.view)
		if data[0] != c.first || data[len(data)-1] != c.last || c.view.Rows() != c.rows || c.view.Cols() != c.cols {
			t.Errorf("%s: %v to %v, %d x %d", c.name, data[0], data[len(data)-1], c.view.Rows(), c.view.Cols())
		}
	}
}

// A wrong shape is a broken invariant: it stops with the operation, the argument and the numbers.
func TestWrongShapesPanicWithTheirNumbers(t *testing.T) {
	dev := ref.New()
	x := dev.Alloc(kernels.Float32, 3, 4)
	for name, c := range map[string]struct {
		call func()
		says string
	}{
		"inner":    {func() { dev.MatMul(x, x, x, kernels.MatMul{}) }, "MatMul: b"},
		"absent":   {func() { dev.LayerNorm(x, kernels.Tensor{}, x, kernels.Tensor{}, x) }, "none"},
		"type":     {func() { dev.SquaredNorm(x, x) }, "float64"},
		"view":     {func() { x.View(5, 2, 4) }, "[3 4] at 5"},
		"columns":  {func() { x.Columns(3, 5) }, "[3, 5)"},
		"strided":  {func() { x.Columns(0, 2).Reshape(6) }, "[3 2]"},
		"own text": {func() { dev.GroundMasks(kernels.MaskResults{}, masks(dev, 2, 3)) }, "2 images belong to texts from 3"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if message, _ := recover().(string); !strings.Contains(message, c.says) {
					t.Errorf("panic %q does not say %q", message, c.says)
				}
			}()
			c.call()
		})
	}
}

func masks(dev kernels.Device, images, first int) kernels.Masks {
	one := dev.Alloc(kernels.Float32)
	return kernels.Masks{Pixels: dev.Alloc(kernels.Float32, images, 4, 5), Texts: dev.Alloc(kernels.Float32, 4, 5), Scale: one, Bias: one,
		Noise: dev.Alloc(kernels.Float32, images, 4), First: first, Height: 2, Width: 2, Tau: 1}
}
