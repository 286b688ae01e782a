package kerneltest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/ref"
)

// seed of all inputs.
const seed = 38

// Subject is a device under test.
type Subject struct {
	// Open returns a device that computes with the given number of threads.
	Open func(t testing.TB, threads int) kernels.Device
	// Product is the error allowed where long sums of products are made: matrix products, convolutions, attention and what
	// is built of them. 0 stands for float32 arithmetic.
	Product float64
}

// Tolerances of float32 arithmetic, relative to the largest magnitude of a tensor.
const (
	exact          = 0
	plain          = 4e-6
	float32Product = 1e-5
)

// check is one operation at one shape.
type check struct {
	name string
	run  func(l *lab)
}

// Run holds a device to kernels/ref in every operation, and to its own bits at other thread counts and alignments.
func Run(t *testing.T, s Subject) {
	if s.Product == 0 {
		s.Product = float32Product
	}
	reference := ref.New()
	devices := map[int]kernels.Device{}
	for _, threads := range []int{1, 2, 3} {
		devices[threads] = s.Open(t, threads)
	}
	t.Cleanup(func() {
		for _, threads := range []int{1, 2, 3} {
			if err := devices[threads].Close(); err != nil {
				t.Error(err)
			}
		}
	})
	t.Logf("device %s, seed %d", devices[1].Name(), seed)
	t.Run("Storage", func(t *testing.T) { testStorage(t, devices[1]) })
	for number, c := range checks(s.Product) {
		t.Run(c.name, func(t *testing.T) {
			want := perform(t, reference, c, number, 0)
			got := perform(t, devices[1], c, number, 0)
			compare(t, want, got)
			for _, other := range []struct{ threads, shift int }{{1, 1}, {2, 0}, {3, 3}} {
				again := perform(t, devices[other.threads], c, number, other.shift)
				sameBits(t, got, again, fmt.Sprintf("%d threads, memory shifted by %d elements", other.threads, other.shift))
			}
		})
	}
}

// checks lists everything; product is the tolerance of long sums.
func checks(product float64) []check {
	return slices.Concat(linearChecks(product), transformerChecks(product), decoderChecks(product), grounderChecks(product),
		optimiserChecks(), inferenceChecks(product))
}

// outcome is a downloaded result.
type outcome struct {
	name      string
	tolerance float64
	values    []float64
	words     []uint64
}

// perform runs a check and returns its results. It also sees that the operation gives its working space back.
func perform(t *testing.T, dev kernels.Device, c check, number, shift int) []outcome {
	t.Helper()
	dev.ResetPeak()
	before := dev.Peak()
	l := newLab(dev, number, shift)
	c.run(l)
	var all []outcome
	for _, r := range l.results {
		values, words, err := l.download(r.tensor)
		if err != nil {
			t.Fatalf("%s on %s: %v", r.name, dev.Name(), err)
		}
		all = append(all, outcome{r.name, r.tolerance, values, words})
	}
	l.close()
	dev.ResetPeak()
	if dev.Peak() > before+keepable {
		t.Errorf("%s: %d bytes stay allocated", dev.Name(), dev.Peak()-before)
	}
	return all
}

// keepable is the working space in bytes that a device may allocate once and keep for later operations.
const keepable = 64 << 20

func compare(t *testing.T, want, got []outcome) {
	t.Helper()
	for i, w := range want {
		if w.tolerance == exact {
			sameBits(t, want[i:i+1], got[i:i+1], "the reference")
			continue
		}
		if worst, at := relativeError(w.values, got[i].values); !(worst <= w.tolerance) {
			t.Errorf("%s: element %d is %v, want %v: relative error %.2g, allowed %.2g",
				w.name, at, got[i].values[at], w.values[at], worst, w.tolerance)
		}
	}
}

// relativeError returns the largest difference over the largest magnitude of want, and where it is. A value that is not a
// number on one side only is an infinite error.
func relativeError(want, got []float64) (worst float64, at int) {
	largest := 0.0
	for _, v := range want {
		largest = max(largest, math.Abs(v))
	}
	for i, v := range want {
		d := math.Abs(got[i] - v)
		if math.IsNaN(d) {
			d = math.Inf(1)
		}
		if d > worst {
			worst, at = d, i
		}
	}
	if worst > 0 {
		worst /= max(largest, 1e-30)
	}
	return worst, at
}

func sameBits(t *testing.T, want, got []outcome, with string) {
	t.Helper()
	for i, w := range want {
		for k, v := range w.values {
			if math.Float64bits(v) != math.Float64bits(got[i].values[k]) {
				t.Errorf("%s: element %d is %v, with %s it is %v", w.name, k, v, with, got[i].values[k])
				break
			}
		}
		if !slices.Equal(w.words, got[i].words) {
			t.Errorf("%s: %x, with %s it is %x", w.name, w.words, with, got[i].words)
		}
	}
}
