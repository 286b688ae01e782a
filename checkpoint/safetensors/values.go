package safetensors

import (
	"encoding/binary"
	"fmt"
	"strings"

	"gorgonia.org/tensor"

	"github.com/textground/textground/internal/dense"
)

// Dense returns a tensor as a host tensor: F16 and BF16 widened to float32, the five types that Of takes as they are; others
// are refused.
func (f *File) Dense(name string) (*tensor.Dense, error) {
	t, err := f.Tensor(name)
	if err != nil {
		return nil, err
	}
	return t.Dense()
}

// Dense is File.Dense for a tensor whose Data is there.
func (t Tensor) Dense() (*tensor.Dense, error) {
	switch t.DType {
	case F64:
		return dense.Of(decode[float64](t.Data), t.Shape...), nil
	case I64:
		return dense.Of(decode[int64](t.Data), t.Shape...), nil
	case I32:
		return dense.Of(decode[int32](t.Data), t.Shape...), nil
	case U8:
		return dense.Of(decode[uint8](t.Data), t.Shape...), nil
	}
	values, err := t.Float32s()
	if err != nil {
		return nil, fmt.Errorf("safetensors: tensor %q is %s, a type that host tensors do not have", t.Name, t.DType)
	}
	return dense.Of(values, t.Shape...), nil
}

// Float32s returns a tensor's values, row-major. F32 comes bit by bit, F16 and BF16 are widened exactly; F64 and integers
// are refused, as they would lose digits.
func (f *File) Float32s(name string) ([]float32, error) {
	t, err := f.Tensor(name)
	if err != nil {
		return nil, err
	}
	return t.Float32s()
}

// Float64s is Float32s for all four floating types.
func (f *File) Float64s(name string) ([]float64, error) {
	t, err := f.Tensor(name)
	if err != nil {
		return nil, err
	}
	return t.Float64s()
}

// Int64s returns the values of any integer tensor that fits: all but U64.
func (f *File) Int64s(name string) ([]int64, error) {
	t, err := f.Tensor(name)
	if err != nil {
		return nil, err
	}
	return t.Int64s()
}

// Int32s is Int64s for I32 and all narrower types.
func (f *File) Int32s(name string) ([]int32, error) {
	t, err := f.Tensor(name)
	if err != nil {
		return nil, err
	}
	return t.Int32s()
}

// Bytes returns the values of a U8 or BOOL tensor; in a file that Read parsed they alias its input.
func (f *File) Bytes(name string) ([]byte, error) {
	t, err := f.Tensor(name)
	if err != nil {
		return nil, err
	}
	if t.DType != U8 && t.DType != Bool {
		return nil, t.refuse("bytes")
	}
	return t.Data, nil
}

// Float32s is File.Float32s for a tensor whose Data is there.
func (t Tensor) Float32s() ([]float32, error) {
	switch t.DType {
	case F32:
		return decode[float32](t.Data), nil
	case F16:
		return widen(t.Data, dense.Half), nil
	case BF16:
		return widen(t.Data, dense.BFloat16), nil
	}
	return nil, t.refuse("float32 values")
}

// Float64s is File.Float64s for a tensor whose Data is there.
func (t Tensor) Float64s() ([]float64, error) {
	if t.DType == F64 {
		return decode[float64](t.Data), nil
	}
	narrow, err := t.Float32s()
	if err != nil {
		return nil, t.refuse("float64 values")
	}
	wide := make([]float64, len(narrow))
	for i, x := range narrow {
		wide[i] = float64(x)
	}
	return wide, nil
}

// Int64s is File.Int64s for a tensor whose Data is there.
func (t Tensor) Int64s() ([]int64, error) {
	switch t.DType {
	case I64:
		return decode[int64](t.Data), nil
	case U32:
		return widen(t.Data, func(x uint32) int64 { return int64(x) }), nil
	}
	narrow, err := t.Int32s()
	if err != nil {
		return nil, t.refuse("int64 values")
	}
	wide := make([]int64, len(narrow))
	for i, x := range narrow {
		wide[i] = int64(x)
	}
	return wide, nil
}

// Int32s is File.Int32s for a tensor whose Data is there.
func (t Tensor) Int32s() ([]int32, error) {
	switch t.DType {
	case I32:
		return decode[int32](t.Data), nil
	case I16:
		return widen(t.Data, func(x int16) int32 { return int32(x) }), nil
	case U16:
		return widen(t.Data, func(x uint16) int32 { return int32(x) }), nil
	case I8:
		return widen(t.Data, func(x int8) int32 { return int32(x) }), nil
	case U8, Bool:
		return widen(t.Data, func(x uint8) int32 { return int32(x) }), nil
	}
	return nil, t.refuse("int32 values")
}

func (t Tensor) refuse(wanted string) error {
	return fmt.Errorf("safetensors: tensor %q is %s and has no %s", t.Name, t.DType, wanted)
}

// CheckFinite refuses NaN and infinities in the tensors whose names begin with prefix, naming the first tensor and element.
// Integers pass.
func (f *File) CheckFinite(prefix string) error {
	for _, t := range f.Tensors {
		if !strings.HasPrefix(t.Name, prefix) {
			continue
		}
		full, err := f.Tensor(t.Name)
		if err != nil {
			return err
		}
		if i := full.firstNonFinite(); i >= 0 {
			return broken(RuleFinite, f.start+t.Begin, "tensor %q has a value that is not finite at element %d", t.Name, i)
		}
	}
	return nil
}

// firstNonFinite finds the first NaN or infinity: all exponent bits set.
func (t Tensor) firstNonFinite() int {
	switch t.DType {
	case F64:
		return firstMasked(t.Data, 8, 0x7ff<<52)
	case F32:
		return firstMasked(t.Data, 4, 0xff<<23)
	case BF16:
		return firstMasked(t.Data, 2, 0xff<<7)
	case F16:
		return firstMasked(t.Data, 2, 0x1f<<10)
	}
	return -1
}

// firstMasked finds the first little-endian element that has all bits of mask.
func firstMasked(data []byte, size int, mask uint64) int {
	for i := 0; i*size < len(data); i++ {
		var x uint64
		switch element := data[i*size:]; size {
		case 8:
			x = binary.LittleEndian.Uint64(element)
		case 4:
			x = uint64(binary.LittleEndian.Uint32(element))
		case 2:
			x = uint64(binary.LittleEndian.Uint16(element))
		}
		if x&mask == mask {
			return i
		}
	}
	return -1
}

// number is an element type that encoding/binary moves in one go.
type number interface {
	float32 | float64 | int64 | int32 | int16 | int8 | uint64 | uint32 | uint16 | uint8
}

func decode[T number](data []byte) []T {
	var zero T
	out := make([]T, len(data)/binary.Size(zero))
	if _, err := binary.Decode(data, binary.LittleEndian, out); err != nil {
		panic(fmt.Sprintf("safetensors: %d bytes into %d values of %T: %v", len(data), len(out), zero, err))
	}
	return out
}

func widen[From, To number](data []byte, one func(From) To) []To {
	narrow := decode[From](data)
	wide := make([]To, len(narrow))
	for i, x := range narrow {
		wide[i] = one(x)
	}
	return wide
}
