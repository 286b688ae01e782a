package exchange

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/textground/textground/proto"
)

// cut says how a vector falls into chunks. Chunk 0 is the END of the vector and the last chunk its beginning: a backward pass
// finishes the last parameters first, so chunks can leave in their order while it runs. Every vector has at least one chunk.
type cut struct {
	length int // values
	each   int // values of a chunk; the last one may be shorter
}

func cutFor(length int, d dtype) cut { return cut{length, proto.ChunkBytes / d.size()} }

func (c cut) chunks() int { return max(1, (c.length+c.each-1)/c.each) }

// of returns the range [lo, hi) of chunk i.
func (c cut) of(i int) (lo, hi int) {
	return max(0, c.length-(i+1)*c.each), c.length - i*c.each
}

// over returns the chunks [from, to) that share values with [lo, hi), which is not empty.
func (c cut) over(lo, hi int) (from, to int) {
	return (c.length - hi) / c.each, (c.length-lo-1)/c.each + 1
}

func (d dtype) size() int {
	if d == float64s {
		return 8
	}
	return 4
}

// typeOf is the wire type of T.
func typeOf[T Float]() dtype {
	var zero T
	if _, double := any(zero).(float64); double {
		return float64s
	}
	return float32s
}

// appendValues appends values in wire order, which is little-endian.
func appendValues[T Float](dst []byte, values []T) []byte {
	if littleEndian {
		return append(dst, memory(values)...)
	}
	for _, x := range values {
		switch x := any(x).(type) {
		case float32:
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
		case float64:
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(x))
		}
	}
	return dst
}

// readValues fills dst from its wire form, which has at least its size.
func readValues[T Float](dst []T, wire []byte) {
	if littleEndian {
		copy(memory(dst), wire[:len(memory(dst))])
		return
	}
	for i := range dst {
		switch x := any(&dst[i]).(type) {
		case *float32:
			*x = math.Float32frombits(binary.LittleEndian.Uint32(wire[4*i:]))
		case *float64:
			*x = math.Float64frombits(binary.LittleEndian.Uint64(wire[8*i:]))
		}
	}
}

// littleEndian: the values of this machine lie in memory as they do on the wire. A variable, so that tests can take the other
// way too.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// memory is values as bytes: copying a chunk must not cost more than moving it.
func memory[T Float](values []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*typeOf[T]().size())
}

// finite reports whether all values are: x-x is 0 for a finite x and NaN otherwise.
func finite[T Float](values []T) bool {
	var sum T
	for _, x := range values {
		sum += x - x
	}
	return sum == 0
}
