//go:build cuda && cgo

package driver

// #include <cuda.h>
// #include <stdlib.h>
import "C"

import "unsafe"

// TensorMap describes a tensor in device memory to Hopper's bulk copies, innermost dimension first. Base and the strides are
// multiples of 16 bytes.
type TensorMap struct {
	Base    uint64
	Float32 bool     // otherwise bfloat16
	Sizes   []uint64 // in elements
	Strides []uint64 // in bytes, of all dimensions but the innermost
	Box     []uint32 // what one copy moves, in elements, at most 256 a side
	Swizzle bool     // within rows of 128 bytes, the widest that a box may have then
}

// tensorMapBytes is the size of an encoded map.
const tensorMapBytes = 128

// Encode writes the map, 128 bytes, into an argument struct. What lies outside the tensor reads as zero.
func (m TensorMap) Encode(to unsafe.Pointer) error {
	encoded := C.aligned_alloc(64, tensorMapBytes)
	defer C.free(encoded)
	var sizes, strides [5]C.cuuint64_t
	var box, steps [5]C.cuuint32_t
	for i := range m.Sizes {
		sizes[i], box[i], steps[i] = C.cuuint64_t(m.Sizes[i]), C.cuuint32_t(m.Box[i]), 1
	}
	for i, s := range m.Strides {
		strides[i] = C.cuuint64_t(s)
	}
	kind, swizzle := C.CUtensorMapDataType(C.CU_TENSOR_MAP_DATA_TYPE_BFLOAT16), C.CUtensorMapSwizzle(C.CU_TENSOR_MAP_SWIZZLE_NONE)
	if m.Float32 {
		kind = C.CU_TENSOR_MAP_DATA_TYPE_FLOAT32
	}
	if m.Swizzle {
		swizzle = C.CU_TENSOR_MAP_SWIZZLE_128B
	}
	base := *(*unsafe.Pointer)(unsafe.Pointer(&m.Base)) // a device address: never followed here
	if r := C.cuTensorMapEncodeTiled((*C.CUtensorMap)(encoded), kind, C.cuuint32_t(len(m.Sizes)), base, &sizes[0], &strides[0], &box[0],
		&steps[0], C.CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle, C.CU_TENSOR_MAP_L2_PROMOTION_L2_256B, C.CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE); r != 0 {
		return Result(r)
	}
	copy(unsafe.Slice((*byte)(to), tensorMapBytes), unsafe.Slice((*byte)(encoded), tensorMapBytes))
	return nil
}
