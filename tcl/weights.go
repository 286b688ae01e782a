package tcl

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"github.com/textground/textground/internal/dense"
)

// Weights are named tensors on the host, float32. Range over Names, never over the map, where order matters.
type Weights map[string]*tensor.Dense

// Values returns the values of a tensor that is there, row-major and shared.
func (w Weights) Values(name string) []float32 { return dense.Floats(w[name]) }

// Names lists the names in order.
func (w Weights) Names() []string {
	list := make([]string, 0, len(w))
	for name := range w {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// Flat concatenates the listed tensors.
func (w Weights) Flat(list []Parameter) []float32 {
	n := 0
	for _, p := range list {
		n += p.Len()
	}
	flat := make([]float32, 0, n)
	for _, p := range list {
		flat = append(flat, w.Values(p.Name)...)
	}
	return flat
}

// Unflatten cuts a flat vector into the listed tensors, which alias it. It is the inverse of Flat.
func Unflatten(flat []float32, list []Parameter) Weights {
	w := make(Weights, len(list))
	for _, p := range list {
		w[p.Name] = dense.Of(flat[:p.Len():p.Len()], p.Shape...)
		flat = flat[p.Len():]
	}
	return w
}

// Check refuses weights in which a listed tensor is missing, has another shape, or holds a value that is not finite. The
// error names file, tensor and mend.
func (w Weights) Check(file string, list []Parameter) error {
	for _, p := range list {
		have, ok := w[p.Name]
		if !ok {
			return fmt.Errorf("%s: tensor %q is missing: take a file that holds it, or mend the sizes of the model", file, p.Name)
		}
		if shape := dense.Shape(have); !slices.Equal(shape, p.Shape) {
			return fmt.Errorf("%s: tensor %q has shape %v, but the model wants %v: take weights of this architecture", file, p.Name, shape, p.Shape)
		}
		values, err := dense.Values[float32](have, p.Shape...)
		if err != nil {
			return fmt.Errorf("%s: tensor %q is %w: take weights in float32, float16 or bfloat16", file, p.Name, err)
		}
		for i, v := range values {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("%s: tensor %q: value %d is %v: the file is damaged or its training diverged, take an older one", file, p.Name, i, v)
			}
		}
	}
	return nil
}
