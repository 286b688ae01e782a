//go:build cgo

package cpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/textground/textground/kernels"
)

// openTest returns a device with one instruction set, closed with the test.
func openTest(t testing.TB, threads int, isa string) *device {
	t.Helper()
	p, err := newPool(threads, isa)
	if err != nil {
		t.Fatal(err)
	}
	d := &device{isa: isa, threads: threads, pool: p}
	t.Cleanup(func() {
		d.pool.stop()
		d.memory.release()
	})
	return d
}

// upload32 puts values on the device.
func upload32(d *device, values []float32, shape ...int) kernels.Tensor {
	t := d.Alloc(kernels.Float32, shape...)
	d.Upload(t, values)
	return t
}

func download32(d *device, t kernels.Tensor) []float32 {
	values := make([]float32, t.Len())
	if err := d.Download(values, t); err != nil {
		panic(err)
	}
	return values
}

// ulps is the distance of got from want in units of want's last place.
func ulps(got float32, want float64) float64 {
	rounded := float32(want)
	if math.IsInf(float64(rounded), 0) || rounded != rounded {
		if got == rounded || got != got && rounded != rounded {
			return 0
		}
		return math.Inf(1)
	}
	_, exp := math.Frexp(math.Abs(float64(rounded)))
	unit := math.Ldexp(1, max(exp, -125)-24)
	return math.Abs(float64(got)-want) / unit
}

var elementary = []struct {
	name     string
	f        uint32
	want     func(float64) float64
	from, to float64
	limit    float64 // ulps
}{
	{"exp", fnExp, math.Exp, -106, 90, 1},
	{"log", fnLog, math.Log, -1, 40, 1},
	{"log of tiny", fnLog, math.Log, 0, 1e-37, 1},
	{"tanh", fnTanh, math.Tanh, -10, 10, 2},
	{"erf", fnErf, math.Erf, -5, 5, 2},
	{"sigmoid", fnSigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, -87, 87, 2.5},
}

func TestElementaryFunctionsAreAccurate(t *testing.T) {
	const n = 200_003
	rng := rand.New(rand.NewPCG(1, 2))
	for _, e := range elementary {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(e.from + (e.to-e.from)*rng.Float64())
			if i%3 == 0 {
				x[i] *= rng.Float32() * rng.Float32()
			}
		}
		copy(x, []float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 1e-42, math.MaxFloat32})
		for _, isa := range available() {
			d := openTest(t, 1, isa)
			dx, dy := upload32(d, x, n), d.Alloc(kernels.Float32, n)
			d.apply(e.f, dy, dx)
			worst, at := 0.0, 0
			for i, y := range download32(d, dy) {
				if u := ulps(y, e.want(float64(x[i]))); u > worst {
					worst, at = u, i
				}
			}
			t.Logf("%s on %s: %.3f ulp at %g", e.name, isa, worst, x[at])
			if worst > e.limit {
				t.Errorf("%s on %s: %g ulp at %g", e.name, isa, worst, x[at])
			}
		}
	}
}

func TestElementaryFunctionsHaveTheSameBitsInEveryLaneAndInstructionSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	x := make([]float32, 999)
	for i := range x {
		x[i] = float32(rng.NormFloat64() * 4)
	}
	for _, e := range elementary {
		var first []float32
		for _, isa := range available() {
			d := openTest(t, 1, isa)
			for shift := range 20 {
				n := len(x) - shift
				dx, dy := upload32(d, x[shift:], n), d.Alloc(kernels.Float32, n)
				d.apply(e.f, dy, dx)
				y := download32(d, dy)
				if first == nil {
					first = y
				}
				for i := range y {
					if math.Float32bits(y[i]) != math.Float32bits(first[i+shift]) {
						t.Fatalf("%s(%g) on %s at place %d: %g, elsewhere %g", e.name, x[i+shift], isa, i, y[i], first[i+shift])
					}
				}
			}
		}
	}
}

func TestDoubleFunctionsAreAccurate(t *testing.T) {
	x := make([]float64, 100_000)
	for _, isa := range available() {
		rng := rand.New(rand.NewPCG(5, 6))
		for i := range x {
			x[i] = math.Exp(rng.NormFloat64() * 20)
		}
		d := openTest(t, 1, isa)
		dx, dy := d.Alloc(kernels.Float64, len(x)), d.Alloc(kernels.Float64, len(x))
		y := make([]float64, len(x))
		check := func(name string, want func(float64) float64) {
			worst := 0.0
			for i := range y {
				worst = max(worst, math.Abs(y[i]-want(x[i]))/math.Abs(want(x[i])))
			}
			t.Logf("%s on %s: %.3g", name, isa, worst)
			if worst > 3.4e-16 {
				t.Errorf("%s on %s: relative error %g", name, isa, worst)
			}
		}
		d.Upload(dx, x)
		d.apply(fnLog64, dy, dx)
		_ = d.Download(y, dy)
		check("log64", math.Log)
		for i := range x {
			x[i] = rng.Float64()*1400 - 700
		}
		d.Upload(dx, x)
		d.apply(fnExp64, dy, dx)
		_ = d.Download(y, dy)
		check("exp64", math.Exp)
	}
}
