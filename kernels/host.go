package kernels

import (
	"fmt"
	"unsafe"
)

// HostMemory is device memory that the host can address: what ref and cpu use. Data is the whole allocation.
type HostMemory struct {
	Data []byte
}

// Bytes returns the size of the allocation.
func (m *HostMemory) Bytes() int64 { return int64(len(m.Data)) }

// Host returns the elements of a host tensor from its first to its last, gaps of a strided view included. T must be the
// Go type of t's DType.
func Host[T float32 | float64 | int32 | uint64](t Tensor) []T {
	var zero T
	if int(unsafe.Sizeof(zero)) != t.DType.Size() {
		panic(fmt.Sprintf("kernels: %v tensor read as %T", t.DType, zero))
	}
	n := t.Len()
	if n > 0 && !t.Dense() {
		n = (t.Rows()-1)*t.Stride + t.Cols()
	}
	if n == 0 {
		return nil
	}
	data := t.Mem.(*HostMemory).Data
	first := t.Offset * t.DType.Size()
	return unsafe.Slice((*T)(unsafe.Pointer(&data[first : first+n*t.DType.Size()][0])), n)
}
