package dense

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"
	"pgregory.net/rapid"
)

// gorgonia.org/tensor panics when the program starts unless go.mod requires go4.org/unsafe/assume-no-moving-gc at a version
// that knows this Go. Without the line none of these tests would run; this one says so before somebody lowers it.
func TestTheProgramStartsUnderThisGo(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "go4.org/unsafe/assume-no-moving-gc").CombinedOutput()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	if got, least := strings.TrimSpace(string(out)), "v0.0.0-20231121144256-b99613f794b6"; got < least {
		t.Errorf("go.mod has go4.org/unsafe/assume-no-moving-gc %s; programs start under Go 1.26 from %s on", got, least)
	}
}

func TestATensorSharesItsValuesBothWays(t *testing.T) {
	values := []float32{1, 2, 3, 4, 5, 6}
	d := Of(values, 2, 3)
	back, err := Values[float32](d, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	back[4] = 50
	if values[4] != 50 || &values[0] != &back[0] {
		t.Errorf("%v and %v are two memories", values, back)
	}
}

func TestWhatDoesNotFitIsRefusedWithBothShapes(t *testing.T) {
	transposed := Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	if err := transposed.T(); err != nil {
		t.Fatal(err)
	}
	cut, err := Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3).Slice(nil, tensor.S(1, 3))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		t     *tensor.Dense
		shape []int
		words []string
	}{
		"another shape":   {Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3), []int{3, 2}, []string{"[2 3]", "[3 2]"}},
		"another rank":    {Of([]float32{1, 2}, 2), []int{1, 2}, []string{"[2]", "[1 2]"}},
		"another type":    {Of([]float64{1, 2}, 2), []int{2}, []string{"float64", "float32"}},
		"none":            {nil, []int{2}, []string{"no tensor"}},
		"a transposition": {transposed, []int{3, 2}, []string{"not row-major"}},
		"a cut":           {cut.(*tensor.Dense), []int{2, 2}, []string{"not row-major"}},
	} {
		_, err := Values[float32](c.t, c.shape...)
		for _, word := range c.words {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v does not say %q", name, err, word)
			}
		}
	}
	if _, err := Values[float32](Of([]float32{1, 2}, 2, 1), Any, 1); err != nil {
		t.Errorf("any size: %v", err)
	}
}

func TestValuesThatAreNoShapeAreABrokenInvariant(t *testing.T) {
	defer func() {
		if p := fmt.Sprint(recover()); !strings.Contains(p, "5 values of shape [2 3]") {
			t.Errorf("panicked with %s", p)
		}
	}()
	Of(make([]uint8, 5), 2, 3)
}

// Every element type, scalars and empty tensors included, comes back as it went in, and ReadNpy reads what WriteNPY writes.
func TestRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 4).Draw(t, "shape")
		n := 1
		for _, d := range shape {
			n *= d
		}
		bytesOf := rapid.SliceOfN(rapid.Uint8(), n, n).Draw(t, "values")
		roundTrip(t, convert[uint8](bytesOf), shape)
		roundTrip(t, convert[int32](bytesOf), shape)
		roundTrip(t, convert[int64](bytesOf), shape)
		roundTrip(t, convert[float32](bytesOf), shape)
		roundTrip(t, convert[float64](bytesOf), shape)
	})
}

func convert[T Element](from []uint8) []T {
	to := make([]T, len(from))
	for i, v := range from {
		to[i] = T(v) / 2
	}
	return to
}

func roundTrip[T Element](t *rapid.T, values []T, shape []int) {
	d := Of(values, shape...)
	got, err := Values[T](d, shape...)
	if err != nil || !slices.Equal(got, values) || !slices.Equal(Shape(d), shape) {
		t.Fatalf("%T of shape %v: %v became %v of %v, %v", *new(T), shape, values, got, Shape(d), err)
	}
	if _, isInt64 := any(values).([]int64); isInt64 || len(values) == 0 {
		return // numpy reads such files, tensor's own reader does not
	}
	var file bytes.Buffer
	if err := WriteNPY(&file, d); err != nil {
		t.Fatal(err)
	}
	var read tensor.Dense
	if err := read.ReadNpy(&file); err != nil {
		t.Fatal(err)
	}
	if got, err := Values[T](&read, shape...); err != nil || !slices.Equal(got, values) {
		t.Fatalf("npy of %T, shape %v: %v became %v, %v", *new(T), shape, values, got, err)
	}
}
