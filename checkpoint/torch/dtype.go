package torch

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/textground/textground/internal/dense"
)

// DType is an element type, named as safetensors names it.
type DType string

// The element types of the storages that are read.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U8   DType = "U8"
	Bool DType = "BOOL"
)

// storageTypes maps the classes of module torch to what they hold. Others are inert.
var storageTypes = map[string]DType{
	"DoubleStorage": F64, "FloatStorage": F32, "HalfStorage": F16, "BFloat16Storage": BF16,
	"LongStorage": I64, "IntStorage": I32, "ShortStorage": I16, "CharStorage": I8, "ByteStorage": U8, "BoolStorage": Bool,
}

// Size is the width of one element in bytes.
func (d DType) Size() int64 {
	switch d {
	case F64, I64:
		return 8
	case F32, I32:
		return 4
	case F16, BF16, I16:
		return 2
	}
	return 1
}

// value reads one element and tells whether a float32 holds it exactly.
func (d DType) value(data []byte, order binary.ByteOrder) (float32, bool) {
	switch d {
	case F32:
		return math.Float32frombits(order.Uint32(data)), true
	case F16:
		return dense.Half(order.Uint16(data)), true
	case BF16:
		return dense.BFloat16(order.Uint16(data)), true
	case F64:
		wide := math.Float64frombits(order.Uint64(data))
		return float32(wide), float64(float32(wide)) == wide || wide != wide
	case I64:
		return exact(int64(order.Uint64(data)))
	case I32:
		return exact(int64(int32(order.Uint32(data))))
	case I16:
		return exact(int64(int16(order.Uint16(data))))
	case I8:
		return exact(int64(int8(data[0])))
	case U8, Bool:
		return exact(int64(data[0]))
	}
	panic(fmt.Sprintf("torch: elements of type %q", d))
}

// exact narrows an integer of at most 24 significant bits.
func exact(n int64) (float32, bool) {
	f := float32(n)
	return f, f < 1<<63 && int64(f) == n
}
