//go:build cuda && cgo

package cuda_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/cuda"
	"github.com/textground/textground/kernels/ref"
)

// bench makes the same operands on every device.
type bench struct {
	dev kernels.Device
	rng *rand.Rand
}

// random returns values between -1 and 1.
func (b *bench) random(shape ...int) kernels.Tensor {
	t := b.dev.Alloc(kernels.Float32, shape...)
	host := make([]float32, t.Len())
	for i := range host {
		host[i] = 2*b.rng.Float32() - 1
	}
	b.dev.Upload(t, host)
	return t
}

// run calls an operation on one device and downloads what it wrote.
func run(t *testing.T, dev kernels.Device, operation func(b *bench) []kernels.Tensor) (results [][]float32) {
	t.Helper()
	for _, x := range operation(&bench{dev, rand.New(rand.NewPCG(4, 2))}) {
		host := make([]float32, x.Len())
		if err := dev.Download(host, x); err != nil {
			t.Fatal(err)
		}
		results = append(results, host)
	}
	return results
}

// compare holds every result of an operation to the reference, in both precisions.
func compare(t *testing.T, operation func(b *bench) []kernels.Tensor) {
	t.Helper()
	want := run(t, ref.New(), operation)
	for p, tolerance := range map[cuda.Precision]float64{cuda.BFloat16: bfloat16Product, cuda.Float32: 1e-5} {
		dev := open(p)(t, 1)
		for i, got := range run(t, dev, operation) {
			if worst := relative(want[i], got); !(worst <= tolerance) {
				t.Errorf("%v: result %d is off by %.2g of the largest value", p, i, worst)
			}
		}
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	}
}

// relative returns the largest difference over the largest value, infinity where a number is none.
func relative(want, got []float32) float64 {
	worst, largest := 0.0, 0.0
	for i, w := range want {
		d := math.Abs(float64(got[i] - w))
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst, largest = max(worst, d), max(largest, math.Abs(float64(w)))
	}
	return worst / largest
}

// The suite's shapes are small. These have enough tiles for those of 128 x 128, or so long an inner dimension that blocks
// share it.
func TestLargeProductsConform(t *testing.T) {
	for _, size := range [][3]int{{1500, 1020, 40}, {70, 90, 1100}} {
		for trans := range 4 {
			m := kernels.MatMul{TransA: trans&2 != 0, TransB: trans&1 != 0}
			t.Run(fmt.Sprintf("%v-trans%02b", size, trans), func(t *testing.T) {
				compare(t, func(b *bench) []kernels.Tensor {
					rows, cols, inner := size[0], size[1], size[2]
					x, y := b.random(rows, inner), b.random(inner, cols)
					if m.TransA {
						x = b.random(inner, rows)
					}
					if m.TransB {
						y = b.random(cols, inner)
					}
					c := b.random(rows, cols)
					e := m
					e.Bias, e.Act, e.Pre, e.Residual, e.Add = b.random(cols), kernels.QuickGELU, b.random(rows, cols), b.random(rows, cols), true
					b.dev.MatMul(c, x, y, e)
					return []kernels.Tensor{c, e.Pre}
				})
			})
		}
	}
}

func TestLargeConvolutionsConform(t *testing.T) {
	const forward, inputs, weights = "forward", "input gradient", "weight gradient"
	for _, c := range []struct {
		what                              string
		up, batch, height, width, in, out int
	}{
		{forward, 1, 1, 48, 64, 3, 500}, {forward, 2, 1, 24, 32, 3, 500},
		{inputs, 1, 1, 48, 64, 500, 3}, {inputs, 2, 1, 48, 64, 500, 2},
		{weights, 1, 1, 5, 7, 380, 500}, {weights, 2, 1, 5, 7, 250, 380},
		{weights, 1, 2, 20, 28, 6, 10}, {weights, 2, 2, 20, 28, 6, 10}, // blocks share positions
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			compare(t, func(b *bench) []kernels.Tensor {
				in, dout := b.random(c.batch, c.height, c.width, c.in), b.random(c.batch, c.up*c.height, c.up*c.width, c.out)
				weight, bias, gate := b.random(c.out, c.in, 3, 3), b.random(c.out), b.random()
				conv, inputGrad, weightGrad := b.dev.Conv3x3, b.dev.Conv3x3InputGrad, b.dev.Conv3x3WeightGrad
				if c.up == 2 {
					conv, inputGrad, weightGrad = b.dev.UpConv3x3, b.dev.UpConv3x3InputGrad, b.dev.UpConv3x3WeightGrad
				}
				switch c.what {
				case forward:
					out := b.random(dout.Shape...)
					conv(out, in, weight, bias, gate, b.random(c.batch, c.height, c.width, c.out))
					return []kernels.Tensor{out}
				case inputs:
					din := b.random(in.Shape...)
					inputGrad(din, dout, weight, gate)
					return []kernels.Tensor{din}
				}
				dweight, dbias := b.random(weight.Shape...), b.random(c.out)
				weightGrad(dweight, dbias, in, dout)
				return []kernels.Tensor{dweight, dbias}
			})
		})
	}
}

// Longer than any sequence of CLIP: the walk over keys takes many tiles, and a causal one leaves some out.
func TestLongSequencesConform(t *testing.T) {
	for _, causal := range []bool{false, true} {
		s := kernels.AttentionShape{Batch: 1, Heads: 2, Queries: 333, Keys: 333, Causal: causal}
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			compare(t, func(b *bench) []kernels.Tensor {
				matrix := func() kernels.Tensor { return b.random(s.Batch*s.Queries, 80) }
				q, k, v, dout, out, dq, dk, dv := matrix(), matrix(), matrix(), matrix(), matrix(), matrix(), matrix(), matrix()
				lse := b.random(s.Batch, s.Heads, s.Queries)
				b.dev.Attention(out, lse, q, k, v, s)
				b.dev.AttentionBackward(dq, dk, dv, dout, out, lse, q, k, v, s)
				return []kernels.Tensor{out, lse, dq, dk, dv}
			})
		})
	}
}
