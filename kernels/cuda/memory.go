//go:build cuda && cgo

package cuda

import (
	"errors"

	"gorgonia.org/cu"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/cuda/driver"
)

// block is a piece of the arena that a tensor lies in.
type block struct {
	span
	bytes int64
}

// Bytes returns the size that was asked for.
func (b *block) Bytes() int64 { return b.bytes }

// Alloc returns a zeroed tensor. It panics with OutOfMemory.
func (d *device) Alloc(dt kernels.DType, shape ...int) kernels.Tensor {
	t := kernels.NewTensor(nil, dt, shape...)
	bytes := int64(t.Len() * dt.Size())
	t.Mem = &block{d.take(bytes), bytes}
	d.Zero(t)
	return t
}

// Free gives memory back. Work that is enqueued already still finds it: later owners come later in the stream.
func (d *device) Free(ts ...kernels.Tensor) {
	for _, t := range ts {
		if !t.Present() {
			continue
		}
		if b := t.Mem.(*block); b.span.bytes > 0 {
			d.arena.give(b.span)
			b.span = span{}
		}
	}
}

// scratch returns working space for the kernels launched next. release may be called right after the launch.
func (d *device) scratch(bytes int) (address uint64, release func()) {
	s := d.take(int64(bytes))
	return s.address, func() { d.arena.give(s) }
}

// Peak returns the most bytes in use at one time since ResetPeak.
func (d *device) Peak() int64 { return d.arena.peak }

// ResetPeak begins a new measurement at what is in use now.
func (d *device) ResetPeak() { d.arena.peak = d.arena.live }

// take returns a piece of the arena, which grows where it must.
func (d *device) take(bytes int64) span {
	bytes = max(bytes, 1)
	s, ok := d.arena.take(bytes)
	if !ok {
		d.grow(round(bytes))
		s, _ = d.arena.take(bytes)
	}
	return s
}

// The arena grows by as much as it has, within these bounds, so that a device without a plan asks the driver rarely.
const (
	leastGrowth = 32 << 20
	mostGrowth  = 1 << 30
)

// grow adds at least so many bytes. A card that lacks room for the growth may still have it for the request.
func (d *device) grow(bytes int64) {
	held := int64(0)
	for _, s := range d.arena.owned {
		held += s.bytes
	}
	err := d.allocate(max(bytes, min(max(held, leastGrowth), mostGrowth)))
	if err != nil {
		err = d.allocate(bytes)
	}
	if errors.Is(err, driver.OutOfMemory) {
		free, total := d.cardMemory()
		panic(OutOfMemory{d.engine.card, bytes, d.arena.live, free, total})
	}
	if err != nil {
		d.pretend(bytes, err)
	}
}

// pretend adds addresses that are no memory to the arena of a card that has failed. Nothing is computed on them: the next
// wait returns the error.
func (d *device) pretend(bytes int64, err error) {
	_ = d.engine.do(func() error { // fail keeps what fails
		d.engine.fail("allocate memory", err)
		return nil
	})
	d.arena.add(span{uint64(round(int64(d.arena.extent))) + dryBytes, bytes})
}

// allocate asks the driver for memory and adds it to the arena.
func (d *device) allocate(bytes int64) error {
	d.flush()
	return d.engine.do(func() error {
		p, err := cu.MemAlloc(bytes)
		if err == nil {
			d.arena.add(span{uint64(p), bytes})
		}
		return named(err)
	})
}

// cardMemory returns the card's free and total bytes, 0 where the card has failed.
func (d *device) cardMemory() (free, total int64) {
	_ = d.engine.do(func() (err error) {
		free, total, err = cu.MemInfo()
		return err
	})
	return free, total
}
