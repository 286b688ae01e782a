//go:build cuda && cgo

package cuda

import (
	"fmt"

	"gorgonia.org/cu"

	"github.com/textground/textground/kernels"
)

// A dry run takes its memory from a range of addresses without end, which nobody looks at.
const (
	dryBase  = 1 << 40
	dryBytes = 1 << 46
)

// Plan returns the bytes of device memory that work needs. It calls work with a twin of this device that runs the same
// launchers and takes the same pieces of memory, but computes nothing: downloads give what the host slice holds.
func (d *device) Plan(work func(kernels.Device) error) (int64, error) {
	twin := &device{name: d.name, sm: d.sm, precision: d.precision, hopper: d.hopper}
	twin.arena.add(span{dryBase, dryBytes})
	twin.extent = dryBase
	if err := work(twin); err != nil {
		return 0, fmt.Errorf("dry run for %s: %w", d.name, err)
	}
	return int64(twin.extent - dryBase), nil
}

// Available returns the card's free bytes, 0 where it does not answer.
func (d *device) Available() int64 {
	free, _ := d.cardMemory()
	return free
}

// Reserve takes memory for a plan in one piece, in place of what the arena holds. No tensor may be alive. The work that was
// planned then asks the driver for nothing.
func (d *device) Reserve(bytes int64) error {
	if d.arena.live > 0 {
		panic(fmt.Sprintf("cuda: Reserve while tensors hold %d bytes", d.arena.live))
	}
	d.flush()
	err := d.engine.do(func() error { return d.engine.release(d.arena.owned) })
	d.arena = arena{peak: d.arena.peak}
	if err == nil {
		err = d.allocate(round(bytes))
	}
	if err != nil {
		return fmt.Errorf("%s: reserve %s: %w", d.engine.card, mebibytes(bytes), named(err))
	}
	return nil
}

// release gives allocations back to the driver, on the card's thread.
func (e *engine) release(owned []span) error {
	if err := e.stream.Synchronize(); err != nil {
		return err
	}
	for _, s := range owned {
		if err := cu.MemFree(cu.DevicePtr(s.address)); err != nil {
			return err
		}
	}
	return nil
}
