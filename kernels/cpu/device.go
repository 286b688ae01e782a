//go:build cgo

package cpu

// #cgo CFLAGS: -O3 -std=c11
// #cgo LDFLAGS: -lm -lpthread
// #include <stdlib.h>
// #include <string.h>
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/textground/textground/kernels"
)

// device computes with C code on the host's cores. Operations are done when they return.
type device struct {
	isa     string // instruction set in use: "avx512", "avx2", "neon" or "scalar"
	threads int
	pool
	memory
}

// Name tells the instruction set, because numbers may differ between them.
func (d *device) Name() string { return "cpu-" + d.isa }

// Alloc returns a zeroed tensor in C memory, so that no Go pointer ever enters C.
func (d *device) Alloc(dt kernels.DType, shape ...int) kernels.Tensor {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return kernels.NewTensor(&kernels.HostMemory{Data: d.take(n*dt.Size(), true)}, dt, shape...)
}

func (d *device) Free(ts ...kernels.Tensor) {
	for _, t := range ts {
		if !t.Present() {
			continue
		}
		m := t.Mem.(*kernels.HostMemory)
		d.give(m.Data)
		m.Data = nil
	}
}

func (d *device) Upload(t kernels.Tensor, src any) {
	switch src := src.(type) {
	case []float32:
		upload(t, src)
	case []float64:
		upload(t, src)
	case []int32:
		upload(t, src)
	case []uint64:
		upload(t, src)
	default:
		panic(fmt.Sprintf("cpu: upload of a %T", src))
	}
}

func (d *device) Download(dst any, t kernels.Tensor) error {
	switch dst := dst.(type) {
	case []float32:
		download(dst, t)
	case []float64:
		download(dst, t)
	case []int32:
		download(dst, t)
	case []uint64:
		download(dst, t)
	default:
		panic(fmt.Sprintf("cpu: download into a %T", dst))
	}
	return nil
}

func upload[T float32 | float64 | int32 | uint64](t kernels.Tensor, src []T) {
	if len(src) != t.Len() {
		panic(fmt.Sprintf("cpu: upload of %d values to %v", len(src), t.Shape))
	}
	dst := kernels.Host[T](t)
	for r := range t.Rows() {
		copy(dst[r*t.Stride:][:t.Cols()], src[r*t.Cols():])
	}
}

func download[T float32 | float64 | int32 | uint64](dst []T, t kernels.Tensor) {
	if len(dst) != t.Len() {
		panic(fmt.Sprintf("cpu: download of %v into %d values", t.Shape, len(dst)))
	}
	src := kernels.Host[T](t)
	for r := range t.Rows() {
		copy(dst[r*t.Cols():][:t.Cols()], src[r*t.Stride:])
	}
}

// Sync has nothing to wait for.
func (d *device) Sync() error { return nil }

// pointer returns the address of t's first element for C; nil for an absent tensor.
func pointer(t kernels.Tensor) unsafe.Pointer {
	if !t.Present() || t.Len() == 0 {
		return nil
	}
	return unsafe.Pointer(&t.Mem.(*kernels.HostMemory).Data[t.Offset*t.DType.Size()])
}

// floats is pointer for Float32 tensors.
func floats(t kernels.Tensor) *C.float { return (*C.float)(pointer(t)) }

// doubles is pointer for Float64 tensors.
func doubles(t kernels.Tensor) *C.double { return (*C.double)(pointer(t)) }
