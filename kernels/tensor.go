package kernels

import "fmt"

// DType is the element type of a tensor in device memory.
type DType uint8

// The element types. Values live in Float32; sums that decide things (softmax columns, norms, losses) in Float64.
const (
	Float32 DType = iota
	Float64
	Int32
	Uint64
)

// Size returns the bytes of one element.
func (t DType) Size() int {
	if t == Float64 || t == Uint64 {
		return 8
	}
	return 4
}

func (t DType) String() string { return [...]string{"float32", "float64", "int32", "uint64"}[t] }

// Memory is a piece of a device's memory; only that device looks inside.
type Memory interface{ Bytes() int64 }

// Tensor is a view of device memory: Shape elements in row-major order from element Offset. Stride is the distance in
// elements between consecutive rows of the last axis; it equals the last dimension unless the view was made by Columns.
// The zero Tensor stands for an absent optional argument.
type Tensor struct {
	Mem    Memory
	DType  DType
	Shape  []int
	Offset int
	Stride int
}

// NewTensor describes a dense tensor in mem: for implementers of Device.
func NewTensor(mem Memory, dt DType, shape ...int) Tensor {
	t := Tensor{Mem: mem, DType: dt, Shape: shape}
	t.Stride = t.Cols()
	return t
}

// Present reports whether the tensor is there at all.
func (t Tensor) Present() bool { return t.Mem != nil }

// Len returns the number of elements.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Cols returns the last dimension, 1 for a scalar.
func (t Tensor) Cols() int {
	if len(t.Shape) == 0 {
		return 1
	}
	return t.Shape[len(t.Shape)-1]
}

// Rows returns the product of all dimensions but the last.
func (t Tensor) Rows() int {
	if t.Cols() == 0 {
		return 0
	}
	return t.Len() / t.Cols()
}

// Dense reports whether rows follow each other without gaps.
func (t Tensor) Dense() bool { return t.Stride == t.Cols() || t.Rows() <= 1 }

// View returns the same dense memory under another shape of equal or smaller size, beginning at element offset of t.
func (t Tensor) View(offset int, shape ...int) Tensor {
	v := NewTensor(t.Mem, t.DType, shape...)
	v.Offset = t.Offset + offset
	if !t.Dense() || offset < 0 || offset+v.Len() > t.Len() {
		panic(fmt.Sprintf("kernels: view of %v at %d as %v leaves the tensor", t.Shape, offset, shape))
	}
	return v
}

// Reshape returns the same elements under another shape.
func (t Tensor) Reshape(shape ...int) Tensor { return t.View(0, shape...) }

// Columns returns columns [from, to) of t seen as a matrix [Rows, Cols].
func (t Tensor) Columns(from, to int) Tensor {
	if from < 0 || to > t.Cols() || from > to {
		panic(fmt.Sprintf("kernels: columns [%d, %d) of %v", from, to, t.Shape))
	}
	return Tensor{Mem: t.Mem, DType: t.DType, Shape: []int{t.Rows(), to - from}, Offset: t.Offset + from, Stride: t.Stride}
}

// RowRange returns rows [from, to) of t seen as a matrix [Rows, Cols].
func (t Tensor) RowRange(from, to int) Tensor {
	if from < 0 || to > t.Rows() || from > to {
		panic(fmt.Sprintf("kernels: rows [%d, %d) of %v", from, to, t.Shape))
	}
	return Tensor{Mem: t.Mem, DType: t.DType, Shape: []int{to - from, t.Cols()}, Offset: t.Offset + from*t.Stride, Stride: t.Stride}
}
