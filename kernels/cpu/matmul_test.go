//go:build cgo

package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/textground/textground/kernels"
)

// random returns n values of a standard normal distribution.
func random(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// strided is a matrix on the device that is a column range of a wider one.
func strided(d *device, rng *rand.Rand, rows, cols int) (kernels.Tensor, func(i, j int) float64) {
	left, right := rng.IntN(3), rng.IntN(20)
	values := random(rng, rows*(left+cols+right))
	t := upload32(d, values, rows, left+cols+right).Columns(left, left+cols)
	return t, func(i, j int) float64 { return float64(values[i*t.Stride+left+j]) }
}

func turned(at func(i, j int) float64) func(i, j int) float64 {
	return func(i, j int) float64 { return at(j, i) }
}

type product struct {
	m, n, k        int
	transA, transB bool
	bias, pre, res bool
	act, grad      kernels.Activation
	add, resIsC    bool
}

// check compares MatMul of random matrices with the sums in float64.
func (p product) check(t *testing.T, d *device, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	mm := kernels.MatMul{TransA: p.transA, TransB: p.transB, Act: p.act, ActGrad: p.grad, Add: p.add}
	shapeA, shapeB := [2]int{p.m, p.k}, [2]int{p.k, p.n}
	if p.transA {
		shapeA = [2]int{p.k, p.m}
	}
	if p.transB {
		shapeB = [2]int{p.n, p.k}
	}
	a, atA := strided(d, rng, shapeA[0], shapeA[1])
	b, atB := strided(d, rng, shapeB[0], shapeB[1])
	if p.transA {
		atA = turned(atA)
	}
	if p.transB {
		atB = turned(atB)
	}
	c, atC := strided(d, rng, p.m, p.n)
	bias := random(rng, p.n)
	if p.bias {
		mm.Bias = upload32(d, bias, p.n)
	}
	atPre, atRes := atC, atC
	if p.pre || p.grad != kernels.NoActivation {
		mm.Pre, atPre = strided(d, rng, p.m, p.n)
	}
	if p.res {
		mm.Residual, atRes = strided(d, rng, p.m, p.n)
	}
	if p.resIsC {
		mm.Residual, atRes = c, atC
	}
	d.MatMul(c, a, b, mm)

	got := download32(d, c)
	var pre []float32
	if mm.Pre.Present() {
		pre = download32(d, mm.Pre)
	}
	for i := range p.m {
		for j := range p.n {
			if p.m*p.n*p.k > 3e4 && rng.IntN(p.m*p.n) > 100 {
				continue // a sample of large products will do
			}
			sum, size := 0.0, 0.0
			for k := range p.k {
				term := atA(i, k) * atB(k, j)
				sum += term
				size += math.Abs(term)
			}
			want := sum
			if p.bias {
				want += float64(bias[j])
			}
			if p.pre && p.grad == kernels.NoActivation && math.Abs(float64(pre[i*p.n+j])-want) > 1e-5*(size+1) {
				t.Fatalf("%+v on %s, seed %d: pre[%d, %d] = %g, want %g", p, d.isa, seed, i, j, pre[i*p.n+j], want)
			}
			want = activated(p.act, want) * slope(p.grad, atPre(i, j))
			if p.res || p.resIsC {
				want += atRes(i, j)
			}
			if p.add {
				want += atC(i, j)
			}
			if diff := math.Abs(float64(got[i*p.n+j]) - want); !(diff <= 1e-6*(size+10)) {
				t.Fatalf("%+v on %s, seed %d: c[%d, %d] = %g, want %g", p, d.isa, seed, i, j, got[i*p.n+j], want)
			}
		}
	}
}

func activated(a kernels.Activation, x float64) float64 {
	switch a {
	case kernels.QuickGELU:
		return x * sigmoid(1.702*x)
	case kernels.GELU:
		return x * (1 + math.Erf(x/math.Sqrt2)) / 2
	}
	return x
}

func slope(a kernels.Activation, x float64) float64 {
	switch a {
	case kernels.QuickGELU:
		s := sigmoid(1.702 * x)
		return s + 1.702*x*s*(1-s)
	case kernels.GELU:
		return (1+math.Erf(x/math.Sqrt2))/2 + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	}
	return 1
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func TestMatMulAtAwkwardShapes(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	dims := []int{1, 2, 3, 5, 7, 8, 13, 14, 15, 16, 17, 28, 29, 31, 32, 33, 51, 64, 65, 100, 113, 197}
	for _, isa := range available() {
		d := openTest(t, 2, isa)
		for n := range 50 {
			pick := func() int { return dims[rng.IntN(len(dims))] }
			coin := func() bool { return rng.IntN(2) == 0 }
			activation := func() kernels.Activation { return kernels.Activation(rng.IntN(1 + int(kernels.GELU))) }
			p := product{m: pick(), n: pick(), k: pick(), transA: coin(), transB: coin(), bias: coin(), pre: coin(), act: activation(), add: coin()}
			switch rng.IntN(4) {
			case 0:
				p.grad, p.act = activation(), kernels.NoActivation
			case 1:
				p.res = true
			case 2:
				p.resIsC = true
			}
			if n%10 == 0 {
				p.k = 380 + rng.IntN(800)
			}
			p.check(t, d, uint64(n))
		}
		product{m: 300, n: 600, k: 400, transB: true}.check(t, d, 1)
		product{m: 130, n: 40, k: 8_000, transA: true}.check(t, d, 1)
	}
}

// rowBits computes rows [from, to) of a product and returns their bits.
func rowBits(d *device, a, b kernels.Tensor, from, to int) []float32 {
	c := d.Alloc(kernels.Float32, to-from, b.Cols())
	defer d.Free(c)
	d.MatMul(c, a.RowRange(from, to), b, kernels.MatMul{})
	return download32(d, c)
}

func TestMatMulRowHasTheSameBitsInAnyBatchThreadCountAndInstructionSet(t *testing.T) {
	const m, n = 233, 301
	for _, k := range []int{17, 384, 385, 1000} {
		rng := rand.New(rand.NewPCG(uint64(k), 2))
		va, vb := random(rng, m*k), random(rng, k*n)
		var first []float32
		for _, isa := range available() {
			for _, threads := range []int{1, 2, 3} {
				d := openTest(t, threads, isa)
				a, b := upload32(d, va, m, k), upload32(d, vb, k, n)
				whole := rowBits(d, a, b, 0, m)
				if first == nil {
					first = whole
				}
				if !slices.Equal(whole, first) {
					t.Fatalf("k %d: %s with %d threads differs", k, isa, threads)
				}
				for _, r := range [][2]int{{0, 1}, {5, 8}, {100, 171}, {232, 233}} {
					if !slices.Equal(rowBits(d, a, b, r[0], r[1]), first[r[0]*n:r[1]*n]) {
						t.Fatalf("k %d: rows %v on %s differ from the same rows of %d", k, r, isa, m)
					}
				}
			}
		}
	}
}

func TestScratchIsCounted(t *testing.T) {
	d := openTest(t, 2, available()[0])
	a, b, c := d.Alloc(kernels.Float32, 300, 500), d.Alloc(kernels.Float32, 500, 400), d.Alloc(kernels.Float32, 300, 400)
	d.ResetPeak()
	before := d.Peak()
	d.MatMul(c, a, b, kernels.MatMul{})
	if grown := d.Peak() - before; grown < 500*400*4 {
		t.Fatalf("the peak grew by %d bytes, the packed matrix alone has %d", grown, 500*400*4)
	}
}

// BenchmarkMatMul begins with the shapes of ViT-B/16 with 4 images, which scripts/bench sets beside OpenBLAS. N is a matrix
// as it lies, T a transposed one.
func BenchmarkMatMul(b *testing.B) {
	for _, s := range []struct {
		m, n, k        int
		transA, transB bool
	}{
		{788, 3072, 768, false, true}, {788, 768, 3072, false, true}, {788, 2304, 768, false, true}, {12544, 512, 768, false, false},
		{768, 3072, 788, true, false}, {788, 768, 3072, false, false}, {51, 192, 64, false, true}, {3, 32, 32, false, true},
		{260, 288, 96, false, true}, {4, 3072, 768, false, true}, {1024, 1024, 1024, false, false},
	} {
		lies := map[bool]string{false: "N", true: "T"}
		onThreads(b, fmt.Sprintf("%dx%dx%d-%s%s", s.m, s.n, s.k, lies[s.transA], lies[s.transB]), func(b *testing.B, d *device) {
			rng := rand.New(rand.NewPCG(1, 1))
			ta, tb := upload32(d, random(rng, s.m*s.k), s.m, s.k), upload32(d, random(rng, s.k*s.n), s.k, s.n)
			if s.transA {
				ta = ta.Reshape(s.k, s.m)
			}
			if s.transB {
				tb = tb.Reshape(s.n, s.k)
			}
			c := d.Alloc(kernels.Float32, s.m, s.n)
			m := kernels.MatMul{TransA: s.transA, TransB: s.transB}
			measure(b, 2*float64(s.m*s.n*s.k), func() { d.MatMul(c, ta, tb, m) })
		})
	}
}
