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

// HostUpload and HostDownload are Storage's Upload and Download for devices whose memory is the host's: the slices are of
// the tensor's element type and length, rows may be strided.
func HostUpload(t Tensor, src any) {
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
		panic(fmt.Sprintf("kernels: upload of a %T", src))
	}
}

// HostDownload copies t into dst.
func HostDownload(dst any, t Tensor) {
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
		panic(fmt.Sprintf("kernels: download into a %T", dst))
	}
}

func upload[T float32 | float64 | int32 | uint64](t Tensor, src []T) {
	if len(src) != t.Len() {
		panic(fmt.Sprintf("kernels: upload of %d values to %v", len(src), t.Shape))
	}
	dst := Host[T](t)
	for r := range t.Rows() {
		copy(dst[r*t.Stride:][:t.Cols()], src[r*t.Cols():])
	}
}

func download[T float32 | float64 | int32 | uint64](dst []T, t Tensor) {
	if len(dst) != t.Len() {
		panic(fmt.Sprintf("kernels: download of %v into %d values", t.Shape, len(dst)))
	}
	src := Host[T](t)
	for r := range t.Rows() {
		copy(dst[r*t.Cols():][:t.Cols()], src[r*t.Stride:])
	}
}
