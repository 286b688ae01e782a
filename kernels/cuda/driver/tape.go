//go:build cuda && cgo

package driver

// #include "tape.h"
// #include <cuda.h>
// #include <stdlib.h>
import "C"

import "unsafe"

// recordBytes is the size of a record's header and the unit of a tape.
const recordBytes = 64

// Side says where one end of a copy lies.
type Side uint32

// The sides.
const (
	Host   Side = C.TG_HOST
	Device Side = C.TG_DEVICE
)

// Span is one end of a move: rows lie Pitch bytes apart.
type Span struct {
	Address uint64
	Pitch   int
	Side    Side
}

// Tape collects work for one stream in C memory. It is used by one goroutine at a time.
type Tape struct {
	memory   unsafe.Pointer
	used     int
	capacity int
	last     uint64
}

// NewTape returns an empty tape for records of so many bytes together.
func NewTape(bytes int) *Tape {
	bytes = (bytes + recordBytes - 1) / recordBytes * recordBytes
	return &Tape{memory: C.aligned_alloc(recordBytes, C.size_t(bytes)), capacity: bytes}
}

// Close frees the tape.
func (t *Tape) Close() { C.free(t.memory) }

// Used returns the bytes of all records.
func (t *Tape) Used() int { return t.used }

// Fits reports whether a record with so many bytes of arguments still fits.
func (t *Tape) Fits(arguments int) bool {
	return t.used+2*recordBytes+arguments <= t.capacity
}

// Last returns the function launched last, 0 for none.
func (t *Tape) Last() uint64 { return t.last }

// Reset empties the tape.
func (t *Tape) Reset() { t.used, t.last = 0, 0 }

// add appends a record and returns it with the room for its arguments.
func (t *Tape) add(kind uint32, arguments int) (*C.struct_tg_record, unsafe.Pointer) {
	bytes := recordBytes + (arguments+recordBytes-1)/recordBytes*recordBytes
	at := unsafe.Add(t.memory, t.used)
	r := (*C.struct_tg_record)(at)
	*r = C.struct_tg_record{kind: C.uint32_t(kind), bytes: C.uint32_t(bytes)}
	t.used += bytes
	return r, unsafe.Add(at, recordBytes)
}

// launchPart and movePart are the two arms of tg_record's union.
type launchPart struct {
	function uint64
	grid     [3]uint32
	block    uint32
	shared   uint32
}

type movePart struct {
	dst, src, dstPitch, srcPitch, width, rows uint64
	dstSide, srcSide                          Side
}

func arm[P launchPart | movePart](r *C.struct_tg_record) *P {
	return (*P)(unsafe.Add(unsafe.Pointer(r), 8))
}

// Launch appends a launch of function with the argument struct of so many bytes at arguments, which is copied.
func (t *Tape) Launch(function uint64, grid [3]uint32, block, shared uint32, arguments unsafe.Pointer, bytes int) {
	r, room := t.add(C.TG_LAUNCH, bytes)
	*arm[launchPart](r) = launchPart{function, grid, block, shared}
	t.last = function
	copy(unsafe.Slice((*byte)(room), bytes), unsafe.Slice((*byte)(arguments), bytes))
}

// Allow lets function use so many bytes of dynamic shared memory.
func (t *Tape) Allow(function uint64, shared uint32) {
	r, _ := t.add(C.TG_ALLOW, 0)
	*arm[launchPart](r) = launchPart{function: function, shared: shared}
}

// Zero clears so many bytes, a multiple of 4.
func (t *Tape) Zero(address uint64, bytes int) {
	r, _ := t.add(C.TG_ZERO, 0)
	*arm[movePart](r) = movePart{dst: address, width: uint64(bytes)}
}

// Copy moves rows of width bytes between the host and the device, or one row within the device.
func (t *Tape) Copy(dst, src Span, width, rows int) {
	r, _ := t.add(C.TG_COPY, 0)
	*arm[movePart](r) = movePart{dst: dst.Address, src: src.Address, dstPitch: uint64(dst.Pitch), srcPitch: uint64(src.Pitch),
		width: uint64(width), rows: uint64(rows), dstSide: dst.Side, srcSide: src.Side}
}

// Mark records event in the stream.
func (t *Tape) Mark(event uint64) {
	r, _ := t.add(C.TG_MARK, 0)
	*arm[launchPart](r) = launchPart{function: event}
}

// Failure is a record that the driver refused.
type Failure struct {
	Result   Result
	Function uint64 // of a launch, else 0
}

// Replay enqueues the tape on a stream of the thread's current context, in one crossing. A failure names the function.
func (t *Tape) Replay(stream uint64) *Failure {
	var failed C.uint64_t
	result := C.tg_replay(t.memory, C.uint64_t(t.used), C.uint64_t(stream), &failed)
	if result == 0 {
		return nil
	}
	r := (*C.struct_tg_record)(unsafe.Add(t.memory, failed))
	f := Failure{Result: Result(result)}
	if r.kind == C.TG_LAUNCH || r.kind == C.TG_ALLOW {
		f.Function = arm[launchPart](r).function
	}
	return &f
}
