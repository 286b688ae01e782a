//go:build cuda && cgo

package cuda

import (
	"unsafe"

	"gorgonia.org/cu"

	"github.com/textground/textground/kernels/cuda/driver"
)

// Pinned memory that uploads and downloads pass through: a ring of slots, each of which holds the images of a batch.
const (
	slots     = 3
	slotBytes = 16 << 20
)

// staging is the ring. Copies leave it in the order of the stream, so a slot is free again once the event behind it has passed.
type staging struct {
	memory unsafe.Pointer
	events [slots]cu.Event
	marked [slots]bool // an event stands behind the slot's copies
	slot   int         // being filled
	used   int         // bytes of it
}

// open allocates the ring, on the card's thread.
func (s *staging) open() (err error) {
	if s.memory, err = driver.Pinned(slots * slotBytes); err != nil {
		return err
	}
	for i := range s.events {
		if s.events[i], err = cu.MakeEvent(cu.DisableTiming); err != nil {
			return err
		}
	}
	return nil
}

// close frees the ring, on the card's thread. What was never opened is no error.
func (s *staging) close() {
	if s.memory != nil {
		cu.MemFreeHost(s.memory)
	}
	for i := range s.events {
		if s.events[i] != (cu.Event{}) {
			cu.DestroyEvent(&s.events[i])
		}
	}
}

// reset says that the stream is idle: all slots are free.
func (s *staging) reset() { s.marked, s.slot, s.used = [slots]bool{}, 0, 0 }

// stage returns pinned memory of at most a slot's size. It stays ours until the copy recorded next is done.
func (d *device) stage(bytes int) []byte {
	s := &d.staging
	if s.used+bytes > slotBytes {
		d.nextSlot()
	}
	piece := unsafe.Slice((*byte)(unsafe.Add(s.memory, s.slot*slotBytes+s.used)), bytes)
	s.used += (bytes + 63) / 64 * 64
	return piece
}

// nextSlot marks the end of the slot in use and waits for the next one's copies, which are two slots old.
func (d *device) nextSlot() {
	s := &d.staging
	d.room(0).Mark(handle(s.events[s.slot]))
	s.marked[s.slot] = true
	s.slot, s.used = (s.slot+1)%slots, 0
	if !s.marked[s.slot] {
		return
	}
	d.flush()
	e := d.engine
	_ = e.do(func() error { // settle keeps what fails
		e.settle(s.events[s.slot].Synchronize)
		return nil
	})
	s.marked[s.slot] = false
}
