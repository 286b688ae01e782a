package exchange

import (
	"encoding/binary"
	"math"

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

// appendValues appends values in wire order.
func appendValues[T Float](dst []byte, values []T) []byte {
	at := len(dst)
	switch v := any(values).(type) {
	case []float32:
		dst = grow(dst, 4*len(v))
		for i, x := range v {
			binary.LittleEndian.PutUint32(dst[at+4*i:], math.Float32bits(x))
		}
	case []float64:
		dst = grow(dst, 8*len(v))
		for i, x := range v {
			binary.LittleEndian.PutUint64(dst[at+8*i:], math.Float64bits(x))
		}
	}
	return dst
}

// readValues fills dst from its wire form, which has exactly its size.
func readValues[T Float](dst []T, wire []byte) {
	switch v := any(dst).(type) {
	case []float32:
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(wire[4*i:]))
		}
	case []float64:
		for i := range v {
			v[i] = math.Float64frombits(binary.LittleEndian.Uint64(wire[8*i:]))
		}
	}
}

func grow(dst []byte, more int) []byte {
	if cap(dst)-len(dst) >= more {
		return dst[:len(dst)+more]
	}
	return append(dst, make([]byte, more)...)
}

// finite reports whether all values are: x-x is 0 for a finite x and NaN otherwise.
func finite[T Float](values []T) bool {
	var sum T
	for _, x := range values {
		sum += x - x
	}
	return sum == 0
}
