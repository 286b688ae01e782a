package tcl

import (
	"gorgonia.org/tensor"

	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/kernels"
)

// arena hands out device tensors and remembers them, so that what belongs together is freed together.
type arena struct {
	dev kernels.Device
	all []kernels.Tensor
}

func (a *arena) alloc(dt kernels.DType, shape ...int) kernels.Tensor {
	t := a.dev.Alloc(dt, shape...)
	a.all = append(a.all, t)
	return t
}

// floats returns a zeroed Float32 tensor.
func (a *arena) floats(shape ...int) kernels.Tensor { return a.alloc(kernels.Float32, shape...) }

// doubles returns a zeroed Float64 tensor.
func (a *arena) doubles(shape ...int) kernels.Tensor { return a.alloc(kernels.Float64, shape...) }

// upload returns a Float32 tensor with the shape and the values of w.
func (a *arena) upload(w *tensor.Dense) kernels.Tensor {
	t := a.floats(dense.Shape(w)...)
	a.dev.Upload(t, dense.Floats(w))
	return t
}

// rows returns an Int32 tensor that names count rows: first, first+step, ...
func (a *arena) rows(count, first, step int) kernels.Tensor {
	list := make([]int32, count)
	for i := range list {
		list[i] = int32(first + i*step)
	}
	t := a.alloc(kernels.Int32, count)
	a.dev.Upload(t, list)
	return t
}

// bytes returns how much the arena has handed out.
func (a *arena) bytes() int64 {
	var sum int64
	for _, t := range a.all {
		sum += t.Mem.Bytes()
	}
	return sum
}

func (a *arena) free() {
	a.dev.Free(a.all...)
	a.all = nil
}
