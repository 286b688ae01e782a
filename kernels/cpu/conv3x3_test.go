//go:build cgo

package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/ref"
)

// decoder is what the convolutions need of a device.
type decoder interface {
	Alloc(dt kernels.DType, shape ...int) kernels.Tensor
	Upload(t kernels.Tensor, src any)
	Download(dst any, t kernels.Tensor) error
	Conv3x3(out, in, weight, bias, gate, residual kernels.Tensor)
	Conv3x3InputGrad(din, dout, weight, gate kernels.Tensor)
	Conv3x3WeightGrad(dweight, dbias, in, dout kernels.Tensor)
	UpConv3x3(out, in, weight, bias, gate, residual kernels.Tensor)
	UpConv3x3InputGrad(din, dout, weight, gate kernels.Tensor)
	UpConv3x3WeightGrad(dweight, dbias, in, dout kernels.Tensor)
}

// convolved holds all operands of a convolution with its gradients.
type convolved struct {
	up                                                       bool
	in, weight, bias, gate, residual, out, dout, din, dw, db kernels.Tensor
}

type convShape struct {
	b, h, w, ci, co int
	up              bool
}

func (s convShape) operands(d decoder, seed uint64) convolved {
	rng := rand.New(rand.NewPCG(seed, 9))
	fill := func(shape ...int) kernels.Tensor {
		t := d.Alloc(kernels.Float32, shape...)
		d.Upload(t, random(rng, t.Len()))
		return t
	}
	f := 1
	if s.up {
		f = 2
	}
	c := convolved{up: s.up, in: fill(s.b, s.h, s.w, s.ci), weight: fill(s.co, s.ci, 3, 3), bias: fill(s.co), gate: fill(),
		residual: fill(s.b, s.h, s.w, s.co), out: fill(s.b, f*s.h, f*s.w, s.co), dout: fill(s.b, f*s.h, f*s.w, s.co)}
	c.din, c.dw, c.db = fill(c.in.Shape...), fill(c.weight.Shape...), fill(s.co)
	return c
}

func (c convolved) forward(d decoder) {
	if c.up {
		d.UpConv3x3(c.out, c.in, c.weight, c.bias, c.gate, c.residual)
	} else {
		d.Conv3x3(c.out, c.in, c.weight, c.bias, c.gate, c.residual)
	}
}

func (c convolved) inputGrad(d decoder) {
	if c.up {
		d.UpConv3x3InputGrad(c.din, c.dout, c.weight, c.gate)
	} else {
		d.Conv3x3InputGrad(c.din, c.dout, c.weight, c.gate)
	}
}

func (c convolved) weightGrad(d decoder) {
	if c.up {
		d.UpConv3x3WeightGrad(c.dw, c.db, c.in, c.dout)
	} else {
		d.Conv3x3WeightGrad(c.dw, c.db, c.in, c.dout)
	}
}

// results runs everything and returns out, din, dweight and dbias.
func (c convolved) results(d decoder) [4][]float32 {
	c.forward(d)
	c.inputGrad(d)
	c.weightGrad(d)
	var r [4][]float32
	for i, t := range []kernels.Tensor{c.out, c.din, c.dw, c.db} {
		r[i] = make([]float32, t.Len())
		if err := d.Download(r[i], t); err != nil {
			panic(err)
		}
	}
	return r
}

func TestConvolutionsAgreeWithTheReferenceAndWithThemselves(t *testing.T) {
	shapes := []convShape{
		{1, 1, 1, 1, 1, false}, {1, 1, 1, 1, 1, true}, {2, 3, 5, 7, 17, false}, {2, 3, 5, 7, 17, true},
		{1, 8, 8, 48, 33, false}, {1, 8, 8, 48, 33, true}, {3, 9, 4, 50, 20, false}, {3, 4, 5, 100, 34, true},
	}
	for n, s := range shapes {
		want := s.operands(ref.New(), uint64(n)).results(ref.New())
		var first [4][]float32
		for _, isa := range available() {
			for _, threads := range []int{1, 3} {
				d := openTest(t, threads, isa)
				got := s.operands(d, uint64(n)).results(d)
				if first[0] == nil {
					first = got
				}
				for i, name := range []string{"out", "din", "dweight", "dbias"} {
					largest := 0.0
					for _, v := range want[i] {
						largest = max(largest, math.Abs(float64(v)))
					}
					for j, v := range want[i] {
						if !(math.Abs(float64(got[i][j])-float64(v)) <= 1e-5*largest) {
							t.Fatalf("%+v on %s: %s[%d] = %g, want %g", s, isa, name, j, got[i][j], v)
						}
					}
					if !slices.Equal(got[i], first[i]) {
						t.Fatalf("%+v: %s on %s with %d threads differs in its bits", s, name, isa, threads)
					}
				}
			}
		}
	}
}

// BenchmarkConv counts the products that are computed: 9 taps a pixel, with upsampling 16 a pixel of the small map. The first
// four shapes are the decoder's at ViT-B/16 with 4 images; scripts/bench sets them beside OpenBLAS.
func BenchmarkConv(b *testing.B) {
	for _, s := range []convShape{
		{4, 14, 14, 768, 768, true}, {4, 28, 28, 768, 768, false}, {4, 28, 28, 768, 768, true}, {4, 56, 56, 768, 768, false},
		{4, 16, 16, 96, 96, false}, {4, 16, 16, 96, 96, true}, {4, 32, 32, 96, 96, false}, {4, 16, 16, 64, 64, false},
	} {
		kind, products := "plain", 9*s.h*s.w
		if s.up {
			kind, products = "up", 16*s.h*s.w
		}
		for _, op := range []struct {
			name string
			run  func(convolved, decoder)
		}{{"forward", convolved.forward}, {"input", convolved.inputGrad}, {"weight", convolved.weightGrad}} {
			onThreads(b, fmt.Sprintf("%s-%dx%dx%dx%d/%s", kind, s.b, s.h, s.w, s.ci, op.name), func(b *testing.B, d *device) {
				c := s.operands(d, 1)
				measure(b, 2*float64(s.b*products*s.ci*s.co), func() { op.run(c, d) })
			})
		}
	}
}
