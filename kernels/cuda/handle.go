//go:build cuda && cgo

package cuda

import (
	"reflect"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/textground/textground/kernels/cuda/driver"
)

// handle returns the driver's handle in a value of cu, whose types are structs of exactly one pointer and keep it private.
func handle[T cu.Function | cu.Stream | cu.Event](v T) uint64 {
	return uint64(*(*uintptr)(unsafe.Pointer(&v)))
}

// These do not compile where a struct of cu is anything but one pointer.
var (
	_ [unsafe.Sizeof(uintptr(0))]byte = [unsafe.Sizeof(cu.Function{})]byte{}
	_ [unsafe.Sizeof(uintptr(0))]byte = [unsafe.Sizeof(cu.Stream{})]byte{}
	_ [unsafe.Sizeof(uintptr(0))]byte = [unsafe.Sizeof(cu.Event{})]byte{}
)

// named gives an error of cu, whose type is a number that it keeps private, the driver's own words.
func named(err error) error {
	if v := reflect.ValueOf(err); v.IsValid() && v.Kind() == reflect.Int {
		return driver.Result(v.Int())
	}
	return err
}
