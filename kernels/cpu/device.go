//go:build cgo

package cpu

// #cgo CFLAGS: -O3 -std=c11
// #cgo LDFLAGS: -lm -lpthread
// #include <stdlib.h>
// #include <string.h>
import "C"

import (
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

func (d *device) Upload(t kernels.Tensor, src any) { kernels.HostUpload(t, src) }

func (d *device) Download(dst any, t kernels.Tensor) error {
	kernels.HostDownload(dst, t)
	return nil
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
