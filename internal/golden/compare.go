package golden

import (
	"fmt"
	"math"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/kernels"
)

// bounds are those of docs/goldens.md for one kind of arithmetic.
type bounds struct {
	measure    string // of activations and gradients
	activation float64
	loss       float64
	gradient   float64
	sampled    float64 // gradients of sampled files: among so many values some signs of the total variation flip
	step       float64 // parameters after an update, in learning rates; infinite: not compared
	score      float64 // inference
	margin     float64 // pixels whose best two scores are closer may have either label
}

var (
	float32Bounds = bounds{measure: relative, activation: 2e-5, loss: 2e-6, gradient: 2e-4, sampled: 1e-3, step: 0.05,
		score: 1e-4, margin: 1e-5}
	bfloat16Bounds = bounds{measure: relativeL2, activation: 2e-2, loss: 1e-2, gradient: 5e-2, sampled: 5e-2, step: math.Inf(1),
		score: 1e-2, margin: 2e-2}
)

// boundsOf returns what dev is held to.
func boundsOf(dev kernels.Device) bounds {
	if kernels.RoundsToBFloat16(dev) {
		return bfloat16Bounds
	}
	return float32Bounds
}

// Bounds that hold whatever the arithmetic.
const (
	rateBound   = 1e-12
	resizeBound = 1e-6
)

// The error measures.
const (
	relative   = "largest difference / largest magnitude"
	relativeL2 = "norm of the difference / norm"
	ofRate     = "largest difference / learning rate"
	bitsOff    = "values that differ"
	relativeN  = "relative difference"
)

// expectation is what a file says about a tensor: all values, or some of them and the norm of all.
type expectation struct {
	values  []float64
	indices []int64 // nil: all of them
	norm    float64 // only with indices
	sisters float64 // the norm to measure relativeL2 against instead of its own, where not 0
}

func expect(f *safetensors.File, name string) (expectation, error) {
	var e expectation
	var err error
	if e.values, err = f.Float64s(name); err != nil || !f.Has("idx."+name) {
		return e, err
	}
	if e.indices, err = f.Int64s("idx." + name); err != nil {
		return e, err
	}
	norm, err := f.Float64s("norm." + name)
	if err == nil && (len(norm) != 1 || len(e.indices) != len(e.values)) {
		err = fmt.Errorf("%d values, %d indices, %d norms", len(e.values), len(e.indices), len(norm))
	}
	if err == nil {
		e.norm = norm[0]
	}
	return e, err
}

// pick returns the values of have that are known.
func (e expectation) pick(have []float64) ([]float64, error) {
	if e.indices == nil {
		if len(have) != len(e.values) {
			return nil, fmt.Errorf("the file has %d values, the model %d", len(e.values), len(have))
		}
		return have, nil
	}
	picked := make([]float64, len(e.indices))
	for i, at := range e.indices {
		if at < 0 || at >= int64(len(have)) {
			return nil, fmt.Errorf("the file samples value %d, the model has %d", at, len(have))
		}
		picked[i] = have[at]
	}
	return picked, nil
}

// difference returns the largest difference and the largest magnitude that is expected.
func (e expectation) difference(have []float64) (diff, magnitude float64, err error) {
	picked, err := e.pick(have)
	if err != nil {
		return 0, 0, err
	}
	for i, want := range e.values {
		diff = worse(diff, math.Abs(picked[i]-want))
		magnitude = max(magnitude, math.Abs(want))
	}
	return diff, magnitude, nil
}

// relative returns the largest difference over the largest magnitude or, where it is larger, the norm's relative error.
// Where zeros are expected it is the largest difference itself.
func (e expectation) relative(have []float64) (float64, error) {
	diff, magnitude, err := e.difference(have)
	if err != nil {
		return 0, err
	}
	if magnitude > 0 {
		diff /= magnitude
	}
	if e.indices != nil && e.norm > 0 {
		diff = worse(diff, math.Abs(norm(have)-e.norm)/e.norm)
	}
	return diff, nil
}

// relativeL2 returns the norm of the difference over the norm of what is expected, or the norm itself where zeros are expected.
func (e expectation) relativeL2(have []float64) (float64, error) {
	picked, err := e.pick(have)
	if err != nil {
		return 0, err
	}
	difference := make([]float64, len(picked))
	for i, want := range e.values {
		difference[i] = picked[i] - want
	}
	off := norm(difference)
	magnitude := norm(e.values)
	if e.sisters > 0 {
		magnitude = e.sisters
	}
	if magnitude > 0 {
		off /= magnitude
	}
	if e.indices != nil && e.norm > 0 {
		off = worse(off, math.Abs(norm(have)-e.norm)/e.norm)
	}
	return off, nil
}

// off is the error that b measures.
func (b bounds) off(e expectation, have []float64) (float64, error) {
	if b.measure == relativeL2 {
		return e.relativeL2(have)
	}
	return e.relative(have)
}

// worse is max, but NaN is worst.
func worse(a, b float64) float64 {
	if math.IsNaN(b) || b > a {
		return b
	}
	return a
}

func norm(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}

func widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}
