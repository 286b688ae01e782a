//go:build cuda && cgo

package driver

// #cgo CFLAGS: -I${SRCDIR}/include -std=gnu11
// #cgo LDFLAGS: -L${SRCDIR}/lib -Wl,--as-needed -ldl
// #include "table.h"
// #include <cuda.h>
import "C"

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"unsafe"
)

// Needed is the least driver that runs the kernels of package cuda, which are built by CUDA 13.0: its number as
// cuDriverGetVersion reports it, and as a driver is called.
const (
	Needed     = 13000
	NeededName = "580"
)

// Library is an opened driver.
type Library struct {
	Path    string   // as it was asked for
	Version int      // 13000 is CUDA 13.0
	Missing []string // entry points that it lacks, none of which are needed
}

// CUDA returns the version as NVIDIA writes it, such as "13.0".
func (l Library) CUDA() string { return fmt.Sprintf("%d.%d", l.Version/1000, l.Version%1000/10) }

var open = sync.OnceValues(load)

// Open loads the driver, once a process. Its errors are ordinary: no driver, no device, a driver that is too old or
// incomplete.
func Open() (Library, error) { return open() }

func load() (Library, error) {
	l := Library{Path: "libcuda.so.1"}
	if other := os.Getenv("TEXTGROUND_CUDA_DRIVER"); other != "" {
		l.Path = other
	}
	handle, err := dlopen(l.Path)
	if err != nil {
		return l, err
	}
	if err := l.bind(handle); err != nil {
		return l, err
	}
	if r := C.cuInit(0); r != 0 {
		return l, fmt.Errorf("start the NVIDIA driver %s: %w", l.Path, Result(r))
	}
	var version C.int
	if r := C.cuDriverGetVersion(&version); r != 0 {
		return l, fmt.Errorf("ask the NVIDIA driver %s for its version: %w", l.Path, Result(r))
	}
	l.Version = int(version)
	if l.Version < Needed {
		return l, fmt.Errorf("the NVIDIA driver is for CUDA %s: the kernels need CUDA %d.%d, that is driver %s or newer",
			l.CUDA(), Needed/1000, Needed%1000/10, NeededName)
	}
	return l, nil
}

func dlopen(path string) (unsafe.Pointer, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	text := (*C.char)(C.calloc(1, 1024))
	defer C.free(unsafe.Pointer(text))
	handle := C.tg_load(name, text, 1024)
	if handle == nil {
		return nil, fmt.Errorf("no NVIDIA driver: %s", C.GoString(text))
	}
	return handle, nil
}

// bind points the table at the library.
func (l *Library) bind(handle unsafe.Pointer) error {
	var needed []string
	for i, e := range unsafe.Slice(C.tg_entries, int(C.tg_entry_count)) {
		if C.tg_bind(handle, C.int(i)) != 0 {
			continue
		}
		if name := C.GoString(e.name); e.needed != 0 {
			needed = append(needed, name)
		} else {
			l.Missing = append(l.Missing, name)
		}
	}
	if len(needed) > 0 {
		return fmt.Errorf("the NVIDIA driver %s lacks %s: driver %s or newer is needed", l.Path, strings.Join(needed, ", "), NeededName)
	}
	return nil
}
