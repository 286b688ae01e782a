// Package dense makes and opens the host tensors of gorgonia.org/tensor that stand at the program's edges: batches that
// leave the loader, weights and checkpoints, score maps and label maps.
//
// Values become a tensor by Of, which shares them, and come back by Values, which asks for the type and shape that the
// taker expects: what does not fit is refused at the border, with both shapes, instead of being read askew behind it.
// WriteNPY is for people who look at a tensor with other tools. Nothing is computed with these tensors. Any package that
// internal/archtest lets import them may call this one.
package dense

import (
	"bufio"
	"fmt"
	"io"
	"slices"

	"gorgonia.org/tensor"
)

// Element is a type that host tensors have.
type Element interface {
	float32 | float64 | int64 | int32 | uint8
}

// Of gives values, row-major, a shape. The tensor shares them. A length that is not the product of the shape is a broken
// invariant; whoever reads shapes from outside checks them first.
func Of[T Element](values []T, shape ...int) *tensor.Dense {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n != len(values) {
		panic(fmt.Sprintf("dense: %d values of shape %v", len(values), shape))
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
}

// Any stands in a wanted shape for a dimension of whatever size.
const Any = -1

// Values returns the values of t, row-major and shared, if t has that element type and shape.
func Values[T Element](t *tensor.Dense, shape ...int) ([]T, error) {
	if t == nil {
		return nil, fmt.Errorf("there is no tensor, wanted %T of shape %v", *new(T), shape)
	}
	if have := Shape(t); t.Dtype() != typeOf[T]() || !slices.EqualFunc(have, shape, func(have, want int) bool { return want == Any || have == want }) {
		return nil, fmt.Errorf("a tensor of %v %v, wanted %T %v", t.Dtype(), have, *new(T), shape)
	}
	values := raw[T](t)
	if len(values) > 0 && (t.RequiresIterator() || t.DataOrder().IsColMajor()) {
		return nil, fmt.Errorf("a tensor of shape %v that is not row-major: make a copy of the view first", Shape(t))
	}
	return values, nil
}

// Must is Values for tensors that this program has made itself: what does not fit is a broken invariant.
func Must[T Element](t *tensor.Dense, shape ...int) []T {
	values, err := Values[T](t, shape...)
	if err != nil {
		panic("dense: " + err.Error())
	}
	return values
}

// Floats returns all values of a float32 tensor that this program has made itself, whatever its shape.
func Floats(t *tensor.Dense) []float32 { return Must[float32](t, Shape(t)...) }

// Shape returns the shape of t as plain numbers. A scalar has none, and neither has no tensor.
func Shape(t *tensor.Dense) []int {
	if t == nil {
		return nil
	}
	return slices.Clone(t.Shape())
}

// WriteNPY writes t as numpy.load reads it.
func WriteNPY(w io.Writer, t *tensor.Dense) error {
	out := bufio.NewWriter(w) // tensor writes element by element
	if err := t.WriteNpy(out); err != nil {
		return fmt.Errorf("write a tensor of %v %v as npy: %w", t.Dtype(), Shape(t), err)
	}
	return out.Flush()
}

func typeOf[T Element]() tensor.Dtype {
	switch any(*new(T)).(type) {
	case float32:
		return tensor.Float32
	case float64:
		return tensor.Float64
	case int64:
		return tensor.Int64
	case int32:
		return tensor.Int32
	}
	return tensor.Uint8
}

// raw returns the memory of t. Data is not asked for: of a scalar it returns the number instead.
func raw[T Element](t *tensor.Dense) []T {
	var values any
	switch any(*new(T)).(type) {
	case float32:
		values = t.Float32s()
	case float64:
		values = t.Float64s()
	case int64:
		values = t.Int64s()
	case int32:
		values = t.Int32s()
	default:
		values = t.Uint8s()
	}
	return values.([]T)
}
