package checkpoint

import (
	"fmt"
	"math"
	"slices"

	"github.com/textground/textground/internal/dense"
)

// TensorDiff compares one tensor of two states.
type TensorDiff struct {
	Tensor    string  // "param/…", "m1/…" or "m2/…"
	Different int     // elements whose bits differ
	MaxAbs    float64 // largest absolute difference; NaN if a NaN stands on one side only
}

// Equal tells whether all bits are the same.
func (d TensorDiff) Equal() bool { return d.Different == 0 }

// Diff compares two states of the same parameters tensor by tensor, parameters first, in name order.
func Diff(a, b *State) ([]TensorDiff, error) {
	if !slices.Equal(a.Names, b.Names) {
		return nil, fmt.Errorf("the states of steps %d and %d have different parameters: %s", a.Step, b.Step, firstDifference(a.Names, b.Names))
	}
	var diffs []TensorDiff
	for _, kind := range kinds {
		for i, name := range a.Names {
			left, shape := a.of(kind)[i], dense.Shape(a.of(kind)[i])
			right, err := dense.Values[float32](b.of(kind)[i], shape...)
			if err != nil {
				return nil, fmt.Errorf("parameter %q has the shape %v in step %d, but in step %d it is %w", name, shape, a.Step, b.Step, err)
			}
			diffs = append(diffs, diffTensor(Item{Kind: kind, Name: name}.tensorName(), dense.Floats(left), right))
		}
	}
	return diffs, nil
}

func firstDifference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%q and %q", a[i], b[i])
		}
	}
	return fmt.Sprintf("%d and %d of them", len(a), len(b))
}

func diffTensor(name string, a, b []float32) TensorDiff {
	d := TensorDiff{Tensor: name}
	for i := range a {
		if math.Float32bits(a[i]) == math.Float32bits(b[i]) {
			continue
		}
		d.Different++
		d.MaxAbs = math.Max(d.MaxAbs, math.Abs(float64(a[i])-float64(b[i])))
	}
	return d
}
