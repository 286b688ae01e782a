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

// attender is what attention needs of a device.
type attender interface {
	Alloc(dt kernels.DType, shape ...int) kernels.Tensor
	Upload(t kernels.Tensor, src any)
	Download(dst any, t kernels.Tensor) error
	Attention(out, lse, q, k, v kernels.Tensor, s kernels.AttentionShape)
	AttentionBackward(dq, dk, dv, dout, out, lse, q, k, v kernels.Tensor, s kernels.AttentionShape)
}

// attended holds all operands of an attention with its gradients. Where there are as many queries as keys, q, k and v are
// columns of one matrix, as a transformer makes them.
type attended struct {
	s                                           kernels.AttentionShape
	q, k, v, out, lse, dout, dq, dk, dv, qkv, d kernels.Tensor
}

func attend(d attender, s kernels.AttentionShape, width int, seed uint64) attended {
	rng := rand.New(rand.NewPCG(seed, 21))
	fill := func(shape ...int) kernels.Tensor {
		t := d.Alloc(kernels.Float32, shape...)
		d.Upload(t, random(rng, t.Len()))
		return t
	}
	c := s.Heads * width
	a := attended{s: s, out: fill(s.Batch*s.Queries, c), dout: fill(s.Batch*s.Queries, c), lse: fill(s.Batch, s.Heads, s.Queries)}
	if s.Queries == s.Keys {
		a.qkv, a.d = fill(s.Batch*s.Keys, 3*c), fill(s.Batch*s.Keys, 3*c)
		a.q, a.k, a.v = a.qkv.Columns(0, c), a.qkv.Columns(c, 2*c), a.qkv.Columns(2*c, 3*c)
		a.dq, a.dk, a.dv = a.d.Columns(0, c), a.d.Columns(c, 2*c), a.d.Columns(2*c, 3*c)
		return a
	}
	a.q, a.k, a.v = fill(s.Batch*s.Queries, c), fill(s.Batch*s.Keys, c), fill(s.Batch*s.Keys, c)
	a.dq, a.dk, a.dv = fill(s.Batch*s.Queries, c), fill(s.Batch*s.Keys, c), fill(s.Batch*s.Keys, c)
	return a
}

func (a attended) forward(d attender) { d.Attention(a.out, a.lse, a.q, a.k, a.v, a.s) }

func (a attended) backward(d attender) {
	d.AttentionBackward(a.dq, a.dk, a.dv, a.dout, a.out, a.lse, a.q, a.k, a.v, a.s)
}

func (a attended) results(d attender) (r [5][]float32) {
	a.forward(d)
	a.backward(d)
	for i, t := range []kernels.Tensor{a.out, a.lse, a.dq, a.dk, a.dv} {
		r[i] = make([]float32, t.Len())
		if err := d.Download(r[i], t); err != nil {
			panic(err)
		}
	}
	return r
}

func TestAttentionAgreesWithTheReferenceAndWithItself(t *testing.T) {
	shapes := []struct {
		s     kernels.AttentionShape
		width int
	}{
		{kernels.AttentionShape{Batch: 1, Heads: 1, Queries: 1, Keys: 1}, 1},
		{kernels.AttentionShape{Batch: 2, Heads: 3, Queries: 17, Keys: 17, Causal: true}, 5},
		{kernels.AttentionShape{Batch: 1, Heads: 2, Queries: 120, Keys: 120}, 64},
		{kernels.AttentionShape{Batch: 3, Heads: 2, Queries: 1, Keys: 65}, 32},
		{kernels.AttentionShape{Batch: 1, Heads: 1, Queries: 130, Keys: 130, Causal: true}, 33},
		{kernels.AttentionShape{Batch: 1, Heads: 1, Queries: 3, Keys: 400}, 16},
	}
	for n, shape := range shapes {
		want := attend(ref.New(), shape.s, shape.width, uint64(n)).results(ref.New())
		for _, isa := range available() {
			var first [5][]float32
			for _, threads := range []int{1, 3} {
				d := openTest(t, threads, isa)
				got := attend(d, shape.s, shape.width, uint64(n)).results(d)
				if threads == 1 {
					first = got
				}
				for i, name := range []string{"out", "lse", "dq", "dk", "dv"} {
					for j, v := range want[i] {
						if !(math.Abs(float64(got[i][j])-float64(v)) <= 1e-5*(1+math.Abs(float64(v)))) {
							t.Fatalf("%+v on %s: %s[%d] = %g, want %g", shape, isa, name, j, got[i][j], v)
						}
					}
					if !slices.Equal(got[i], first[i]) {
						t.Fatalf("%+v: %s on %s with %d threads differs in its bits", shape, name, isa, threads)
					}
				}
			}
		}
	}
}

func BenchmarkAttention(b *testing.B) {
	shapes := []struct {
		s     kernels.AttentionShape
		width int
	}{
		{kernels.AttentionShape{Batch: 4, Heads: 12, Queries: 197, Keys: 197}, 64},
		{kernels.AttentionShape{Batch: 4, Heads: 12, Queries: 1, Keys: 197}, 64},
		{kernels.AttentionShape{Batch: 4, Heads: 3, Queries: 65, Keys: 65}, 32},
		{kernels.AttentionShape{Batch: 4, Heads: 8, Queries: 77, Keys: 77, Causal: true}, 64},
	}
	for _, shape := range shapes {
		s := shape.s
		flops := 4 * float64(s.Batch*s.Heads*s.Queries*s.Keys*shape.width)
		name := fmt.Sprintf("%dx%d-%dx%d-%d", s.Batch, s.Heads, s.Queries, s.Keys, shape.width)
		onThreads(b, name+"/forward", func(b *testing.B, d *device) {
			a := attend(d, s, shape.width, 1)
			measure(b, flops, func() { a.forward(d) })
		})
		onThreads(b, name+"/backward", func(b *testing.B, d *device) {
			a := attend(d, s, shape.width, 1)
			a.forward(d)
			measure(b, 2.5*flops, func() { a.backward(d) })
		})
	}
}
