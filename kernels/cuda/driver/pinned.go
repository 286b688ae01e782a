//go:build cuda && cgo

package driver

// #include <cuda.h>
import "C"

import "unsafe"

// Pinned returns host memory that the device copies to and from without the processor. The thread has a current context.
func Pinned(bytes int) (unsafe.Pointer, error) {
	var p unsafe.Pointer
	if r := C.cuMemHostAlloc(&p, C.size_t(bytes), C.CU_MEMHOSTALLOC_PORTABLE); r != 0 {
		return nil, Result(r)
	}
	return p, nil
}
