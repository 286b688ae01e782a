//go:build cuda && cgo

package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/cuda/driver"
)

// device computes on one card. Its methods record work; the card's goroutine, engine, enqueues it.
type device struct {
	name      string
	sm        int // compute capability times ten
	precision Precision
	hopper    bool // Hopper's own kernels compute where they pay

	multiprocessors int // of the card

	arena
	tape      *driver.Tape
	staging   staging
	functions []uint64              // handles, in the order of declared
	allowed   []int                 // dynamic shared memory that each function may have, 0 for what is allowed by right
	maps      map[string]encodedMap // by what they describe (tensormap.go)
	modules   []cu.Module
	card      cu.Device
	engine    *engine // nil in a dry run
}

// bf16 is the precision of d.precision that rounds operands of long sums.
const bf16 = BFloat16

// dry reports whether the device only counts memory (plan.go).
func (d *device) dry() bool { return d.engine == nil }

// RoundsToBFloat16 tells which precision the device was opened with.
func (d *device) RoundsToBFloat16() bool { return d.precision == bf16 }

// Name tells the compute capability, the card and the precision, because numbers may differ between them.
func (d *device) Name() string { return d.name }

// Sync waits for everything enqueued.
func (d *device) Sync() error { return d.wait() }

// Upload copies src to pinned memory, and from there in stream order.
func (d *device) Upload(t kernels.Tensor, src any) {
	from := hostBytes(src, t)
	if d.dry() {
		return
	}
	d.pieces(t, func(dst driver.Span, width, rows, at int) {
		piece := d.stage(width * rows)
		copy(piece, from[at:])
		d.room(0).Copy(dst, hostSpan(piece, width), width, rows)
	})
}

// Download waits for everything enqueued and copies through pinned memory.
func (d *device) Download(dst any, t kernels.Tensor) (err error) {
	to := hostBytes(dst, t)
	if d.dry() {
		return nil
	}
	if t.Len() == 0 {
		return d.wait()
	}
	d.pieces(t, func(src driver.Span, width, rows, at int) {
		piece := d.stage(width * rows)
		d.room(0).Copy(hostSpan(piece, width), src, width, rows)
		if err = errors.Join(err, d.wait()); err == nil {
			copy(to[at:], piece)
		}
	})
	return err
}

// pieces calls f for runs of t's rows that fit a slot of the staging ring, each with its place in dense bytes. A dense
// tensor is one long row, cut where need be.
func (d *device) pieces(t kernels.Tensor, f func(s driver.Span, width, rows, at int)) {
	width, rows := matrix(t)
	for row := 0; row < rows; {
		s := end(t)
		s.Address += uint64(row * s.Pitch)
		if width > slotBytes {
			for at := 0; at < width; at += slotBytes {
				f(driver.Span{Address: s.Address + uint64(at), Pitch: s.Pitch, Side: s.Side}, min(slotBytes, width-at), 1, row*width+at)
			}
			row++
			continue
		}
		n := min(slotBytes/width, rows-row)
		f(s, width, n, row*width)
		row += n
	}
}

// matrix returns t as rows of width bytes, one row where t is dense.
func matrix(t kernels.Tensor) (width, rows int) {
	if t.Dense() {
		return t.Len() * t.DType.Size(), min(t.Len(), 1)
	}
	return t.Cols() * t.DType.Size(), t.Rows()
}

// end describes t as one end of a move.
func end(t kernels.Tensor) driver.Span {
	return driver.Span{Address: address(t), Pitch: t.Stride * t.DType.Size(), Side: driver.Device}
}

// hostSpan describes dense rows in pinned memory.
func hostSpan(piece []byte, width int) driver.Span {
	return driver.Span{Address: uint64(uintptr(unsafe.Pointer(&piece[0]))), Pitch: width, Side: driver.Host}
}

// hostBytes returns the memory of a host slice that has t's type and length.
func hostBytes(slice any, t kernels.Tensor) []byte {
	switch s := slice.(type) {
	case []float32:
		return asBytes(s, t, kernels.Float32)
	case []float64:
		return asBytes(s, t, kernels.Float64)
	case []int32:
		return asBytes(s, t, kernels.Int32)
	case []uint64:
		return asBytes(s, t, kernels.Uint64)
	}
	panic(fmt.Sprintf("cuda: a %T between host and device", slice))
}

func asBytes[T any](s []T, t kernels.Tensor, dt kernels.DType) []byte {
	if len(s) != t.Len() || dt.Size() != t.DType.Size() {
		panic(fmt.Sprintf("cuda: %d values of %v for %v %v", len(s), dt, t.DType, t.Shape))
	}
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*dt.Size())
}
