//go:build cuda && cgo

package cuda_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/cuda"
	"github.com/textground/textground/kernels/ref"
)

// factors returns a tensor of thirty-seconds between -1 and 1. Such numbers, and sums of four of them, are bfloat16 numbers:
// what is computed from them differs from the reference by the order of sums alone.
func (b *bench) factors(shape ...int) kernels.Tensor {
	t := b.dev.Alloc(kernels.Float32, shape...)
	host := make([]float32, t.Len())
	for i := range host {
		host[i] = float32(b.rng.IntN(65)-32) / 32
	}
	b.dev.Upload(t, host)
	return t
}

// sumOrder is how far another order of float32 sums may be off, relative to the largest result.
const sumOrder = 2e-5

// onHopper opens a card in bfloat16 where every product pays on Hopper's engines, in the tiling for so many multiprocessors:
// one takes the tiles that leave fewer columns empty, several let tiles share stages. The emulator's card is a Hopper.
func onHopper(t *testing.T, multiprocessors int) kernels.Device {
	t.Helper()
	t.Cleanup(cuda.FavourHopper(multiprocessors))
	dev := open(cuda.BFloat16)(t, 1)
	if !strings.HasPrefix(dev.Name(), "cuda-sm90") {
		dev.Close()
		t.Skip(dev.Name() + " has no Hopper kernels")
	}
	t.Cleanup(func() {
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	return dev
}

// conforms holds the results of an operation on Hopper's engines to the reference, and to themselves in another emulated
// order of events.
func conforms(t *testing.T, multiprocessors int, kernel string, operation func(b *bench) []kernels.Tensor) {
	t.Helper()
	want := run(t, ref.New(), operation)
	var first [][]float32
	for _, seed := range []string{"1", "2", "3"} {
		t.Setenv("TG_EMU_SEED", seed)
		dev := onHopper(t, multiprocessors)
		got := run(t, dev, operation)
		if !cuda.LaunchedHopper(dev, kernel) {
			t.Errorf("%s was not launched", kernel)
		}
		for i := range got {
			if worst := relative(want[i], got[i]); !(worst <= sumOrder) {
				t.Errorf("seed %s: result %d is off by %.2g of the largest value", seed, i, worst)
			}
			if first != nil && !slices.Equal(got[i], first[i]) {
				t.Errorf("seed %s: result %d has other bits than with seed 1", seed, i)
			}
		}
		first = got
	}
}

// inside returns a matrix within a wider one, at an address of four bytes, and the wider one, whose rest nobody may touch.
func (b *bench) inside(alloc func(shape ...int) kernels.Tensor, rows, cols int) (view, whole kernels.Tensor) {
	whole = alloc(rows, cols+5)
	return whole.Columns(3, 3+cols), whole
}

func TestHopperProductsConform(t *testing.T) {
	epilogues := map[string]func(b *bench, rows, cols int) (m kernels.MatMul, written kernels.Tensor){
		"bare": func(b *bench, rows, cols int) (m kernels.MatMul, written kernels.Tensor) { return m, written },
		"all": func(b *bench, rows, cols int) (m kernels.MatMul, written kernels.Tensor) {
			m.Bias, m.Act, m.Add = b.random(cols), kernels.QuickGELU, true
			m.Pre, written = b.inside(b.random, rows, cols)
			m.Residual, _ = b.inside(b.random, rows, cols)
			return m, written
		},
		"gradient": func(b *bench, rows, cols int) (m kernels.MatMul, written kernels.Tensor) {
			m.ActGrad = kernels.QuickGELU
			m.Pre, written = b.inside(b.random, rows, cols)
			return m, written
		},
	}
	for name, quick := range maps.Clone(epilogues) {
		epilogues[name+", GELU"] = func(b *bench, rows, cols int) (m kernels.MatMul, written kernels.Tensor) {
			if m, written = quick(b, rows, cols); m.Act != kernels.NoActivation {
				m.Act = kernels.GELU
			}
			if m.ActGrad != kernels.NoActivation {
				m.ActGrad = kernels.GELU
			}
			return m, written
		}
	}
	const wide, narrow = "hopper_gemm_256_bf16", "hopper_gemm_128_bf16"
	for _, c := range []struct {
		kernel, epilogue  string
		rows, cols, inner int
		transA, transB    bool
	}{
		{narrow, "bare", 128, 128, 64, false, true},
		{narrow, "all", 130, 300, 72, false, false},
		{narrow, "gradient", 300, 260, 400, true, false}, // nine tiles on the four multiprocessors of the emulator
		{narrow, "all", 7, 5, 1, true, true},
		{wide, "bare", 257, 512, 321, false, false},
		{wide, "all", 150, 450, 130, false, true},
		{wide, "all", 700, 200, 65, true, false},
		{wide, "gradient", 100, 250, 190, true, true},
		{narrow, "all, GELU", 130, 300, 72, false, false},
		{narrow, "gradient, GELU", 130, 260, 72, true, false},
		{wide, "all, GELU", 150, 450, 130, false, true},
		{wide, "gradient, GELU", 100, 250, 190, true, true},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			conforms(t, 1, c.kernel, func(b *bench) []kernels.Tensor {
				aRows, aCols, bRows, bCols := c.rows, c.inner, c.inner, c.cols
				if c.transA {
					aRows, aCols = aCols, aRows
				}
				if c.transB {
					bRows, bCols = bCols, bRows
				}
				x, _ := b.inside(b.factors, aRows, aCols)
				y, _ := b.inside(b.factors, bRows, bCols)
				m, written := epilogues[c.epilogue](b, c.rows, c.cols)
				m.TransA, m.TransB = c.transA, c.transB
				out, whole := b.inside(b.random, c.rows, c.cols)
				b.dev.MatMul(out, x, y, m)
				if !written.Present() {
					return []kernels.Tensor{whole}
				}
				return []kernels.Tensor{whole, written}
			})
		})
	}
}

func TestHopperConvolutionsConform(t *testing.T) {
	const wide, narrow = "hopper_conv_256_bf16", "hopper_conv_128_bf16"
	for _, c := range []struct {
		kernel                            string
		up, batch, height, width, in, out int
		inputs                            bool // the input gradient
	}{
		{narrow, 1, 2, 14, 14, 64, 96, false},
		{narrow, 1, 3, 7, 9, 80, 70, false},
		{wide, 1, 1, 28, 28, 64, 200, false},
		{narrow, 1, 2, 14, 14, 96, 64, true},
		{wide, 1, 1, 7, 9, 200, 70, true},
		{narrow, 2, 1, 7, 9, 72, 96, false},
		{wide, 2, 2, 14, 14, 64, 160, false},
		{narrow, 2, 1, 14, 14, 72, 96, true},
		{narrow, 2, 3, 7, 9, 96, 64, true},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			conforms(t, 1, c.kernel, func(b *bench) []kernels.Tensor {
				// Views that begin at an odd element: nothing may rely on alignment.
				odd := func(alloc func(shape ...int) kernels.Tensor, shape ...int) kernels.Tensor {
					n := 1
					for _, d := range shape {
						n *= d
					}
					return alloc(n+1).View(1, shape...)
				}
				small := []int{c.batch, c.height, c.width}
				in := append(append([]int{}, small...), c.in)
				residual := append(append([]int{}, small...), c.out)
				large := []int{c.batch, c.up * c.height, c.up * c.width, c.out}
				weight, gate := odd(b.factors, c.out, c.in, 3, 3), b.random()
				conv, inputGrad := b.dev.Conv3x3, b.dev.Conv3x3InputGrad
				if c.up == 2 {
					conv, inputGrad = b.dev.UpConv3x3, b.dev.UpConv3x3InputGrad
				}
				if c.inputs {
					din := odd(b.random, in...)
					inputGrad(din, odd(b.factors, large...), weight, gate)
					return []kernels.Tensor{din}
				}
				out := odd(b.random, large...)
				conv(out, odd(b.factors, in...), weight, odd(b.random, c.out), gate, odd(b.random, residual...))
				return []kernels.Tensor{out}
			})
		})
	}
}

// Sums over positions: tiles share them, boxes of positions end outside of the maps, and splits beyond the last image.
func TestHopperWeightGradientsConform(t *testing.T) {
	const wide, narrow = "hopper_weight_grad_256_bf16", "hopper_weight_grad_128_bf16"
	for _, c := range []struct {
		multiprocessors                   int
		kernel                            string
		up, batch, height, width, in, out int
	}{
		{1, narrow, 1, 1, 14, 14, 96, 64},
		{9, wide, 1, 3, 7, 9, 200, 70},
		{72, narrow, 1, 2, 28, 28, 64, 136},
		{72, narrow, 2, 1, 14, 14, 72, 96},
		{16, wide, 2, 3, 7, 9, 250, 64},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			conforms(t, c.multiprocessors, c.kernel, func(b *bench) []kernels.Tensor {
				in, dout := b.factors(c.batch, c.height, c.width, c.in), b.factors(c.batch, c.up*c.height, c.up*c.width, c.out)
				dweight, dbias := b.random(c.out, c.in, 3, 3), b.random(c.out)
				if c.up == 2 {
					b.dev.UpConv3x3WeightGrad(dweight, dbias, in, dout)
				} else {
					b.dev.Conv3x3WeightGrad(dweight, dbias, in, dout)
				}
				return []kernels.Tensor{dweight, dbias}
			})
		})
	}
	for _, c := range []struct {
		multiprocessors   int
		kernel            string
		rows, cols, inner int
	}{
		{132, narrow, 130, 300, 1000},
		{4, wide, 100, 250, 450},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			conforms(t, c.multiprocessors, c.kernel, func(b *bench) []kernels.Tensor {
				x, _ := b.inside(b.factors, c.inner, c.rows)
				y, _ := b.inside(b.factors, c.inner, c.cols)
				out, whole := b.inside(b.random, c.rows, c.cols)
				b.dev.MatMul(out, x, y, kernels.MatMul{TransA: true, Add: true, Bias: b.random(c.cols)})
				return []kernels.Tensor{whole}
			})
		})
	}
}

// The environment variable keeps a card from Hopper's kernels, and the device class tells so.
func TestPortableKernelsCanBeForced(t *testing.T) {
	usual := onHopper(t, 1).Name()
	t.Setenv("TEXTGROUND_CUDA_KERNELS", "portable")
	dev := onHopper(t, 1)
	if dev.Name() != usual+"-portable" {
		t.Errorf("the class is %s, usually %s", dev.Name(), usual)
	}
	b := &bench{dev, rand.New(rand.NewPCG(4, 2))}
	dev.MatMul(b.random(128, 128), b.random(128, 64), b.random(64, 128), kernels.MatMul{})
	if err := dev.Sync(); err != nil || cuda.LaunchedHopper(dev, "hopper_gemm_128_bf16") {
		t.Errorf("a Hopper kernel was launched (%v)", err)
	}
	s, err := cuda.Describe()
	if err != nil || s.Cards[0].Kernels != "portable" {
		t.Errorf("the description says %q (%v)", s.Cards[0].Kernels, err)
	}
	t.Setenv("TEXTGROUND_CUDA_KERNELS", "fast")
	if _, err := cuda.Open(0, cuda.BFloat16); err == nil || os.Getenv("TEXTGROUND_CUDA_DRIVER") != "" && !strings.Contains(err.Error(), `"fast"`) {
		t.Errorf("an unknown choice gives %v", err)
	}
}
