//go:build cuda && cgo

package cuda

// #include <stdlib.h>
// #include "cublaslt.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"gorgonia.org/cu"
)

// cuBLASLt is found under these names, newest first. TEXTGROUND_CUBLASLT names another file.
var cublasLtNames = []string{"libcublasLt.so.13", "libcublasLt.so.12"}

// peerWorkspace is the working space that cuBLASLt may use, in bytes: NVIDIA's advice for Hopper.
const peerWorkspace = 32 << 20

// PeerProduct measures NVIDIA's cuBLASLt at c [rows, cols] = a [rows, inner] times a transposed [cols, inner], bfloat16 in
// and out, without an epilogue: seconds a call over so many calls. It fails where the library is not installed.
func (d *device) PeerProduct(rows, cols, inner, calls int) (seconds float64, err error) {
	bytes := int64(2 * (rows*inner + cols*inner + rows*cols))
	s := d.take(bytes + 3*alignment + peerWorkspace)
	defer d.arena.give(s)
	d.flush()
	err = d.engine.do(func() error {
		product := (*C.struct_tg_product)(C.calloc(1, C.size_t(unsafe.Sizeof(C.struct_tg_product{})))) // C keeps addresses in it
		defer C.free(unsafe.Pointer(product))
		product.a = C.uint64_t(s.address)
		product.b = product.a + C.uint64_t(round(int64(2*rows*inner)))
		product.c = product.b + C.uint64_t(round(int64(2*cols*inner)))
		product.workspace = product.c + C.uint64_t(round(int64(2*rows*cols)))
		product.rows, product.cols, product.inner = C.int64_t(rows), C.int64_t(cols), C.int64_t(inner)
		product.workspace_bytes, product.stream = peerWorkspace, C.uint64_t(handle(d.engine.stream))
		if err := cu.MemsetD8Async(cu.DevicePtr(s.address), 0x3c, bytes, d.engine.stream); err != nil {
			return named(err)
		}
		if err := openPeer(); err != nil {
			return err
		}
		if status := C.tg_cublaslt_prepare(product); status != 0 {
			return fmt.Errorf("cuBLASLt: no algorithm for %dx%dx%d: status %d", rows, cols, inner, status)
		}
		seconds, err = d.engine.time(calls, func() error {
			if status := C.tg_cublaslt_multiply(product); status != 0 {
				return fmt.Errorf("cuBLASLt: %dx%dx%d: status %d", rows, cols, inner, status)
			}
			return nil
		})
		return err
	})
	return seconds, err
}

// openPeer loads the library, on the card's thread.
func openPeer() error {
	names := cublasLtNames
	if other := os.Getenv("TEXTGROUND_CUBLASLT"); other != "" {
		names = []string{other}
	}
	for _, name := range names {
		text := C.CString(name)
		status := C.tg_cublaslt_open(text)
		C.free(unsafe.Pointer(text))
		if status == 0 {
			return nil
		}
		if status > 0 {
			return fmt.Errorf("cuBLASLt: %s does not start: status %d", name, status)
		}
	}
	return errors.New("cuBLASLt is not installed")
}

// time returns the seconds of a call on the card, averaged over so many after one that is not counted.
func (e *engine) time(calls int, call func() error) (float64, error) {
	begin, err := cu.MakeEvent(cu.DefaultEvent)
	if err != nil {
		return 0, named(err)
	}
	defer cu.DestroyEvent(&begin)
	end, err := cu.MakeEvent(cu.DefaultEvent)
	if err != nil {
		return 0, named(err)
	}
	defer cu.DestroyEvent(&end)
	for i := range calls + 1 {
		if i == 1 {
			if err := begin.Record(e.stream); err != nil {
				return 0, named(err)
			}
		}
		if err := call(); err != nil {
			return 0, err
		}
	}
	if err := end.Record(e.stream); err != nil {
		return 0, named(err)
	}
	if err := end.Synchronize(); err != nil {
		return 0, named(err)
	}
	milliseconds, err := begin.Elapsed(end)
	return milliseconds / 1e3 / float64(calls), named(err)
}
