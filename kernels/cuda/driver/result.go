//go:build cuda && cgo

package driver

// #include <cuda.h>
import "C"

import "fmt"

// Result is what a driver function returned, when it is not success.
type Result int

// The results that have a meaning to package cuda.
const (
	OutOfMemory Result = C.CUDA_ERROR_OUT_OF_MEMORY
	NoDevice    Result = C.CUDA_ERROR_NO_DEVICE
)

// Error gives the driver's name and text for the result.
func (r Result) Error() string {
	var name, text *C.char
	if C.cuGetErrorName(C.CUresult(r), &name) != 0 || C.cuGetErrorString(C.CUresult(r), &text) != 0 {
		return fmt.Sprintf("CUDA error %d", int(r))
	}
	return fmt.Sprintf("%s (%s)", C.GoString(name), C.GoString(text))
}
