//go:build cgo

package cpu

import (
	"fmt"
	"os"
	"runtime"

	"github.com/textground/textground/kernels"
)

var _ kernels.Device = (*device)(nil)

// Open returns a device that computes with the given number of threads, 0 meaning one a processor. It uses the fastest
// instruction set that this CPU has, or the one that the environment variable TEXTGROUND_ISA names.
func Open(threads int) (kernels.Device, error) {
	isa := InstructionSets()[0]
	if forced := os.Getenv("TEXTGROUND_ISA"); forced != "" {
		isa = forced
	}
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	pool, err := newPool(threads, isa)
	if err != nil {
		return nil, fmt.Errorf("open device cpu with %d threads, TEXTGROUND_ISA=%q: %w", threads, os.Getenv("TEXTGROUND_ISA"), err)
	}
	return &device{isa: isa, threads: threads, pool: pool}, nil
}

// InstructionSets returns the names that TEXTGROUND_ISA may have on this CPU, fastest first.
func InstructionSets() []string { return available() }

// Close stops the threads and frees kept memory. Tensors that were not freed before are lost.
func (d *device) Close() error {
	d.pool.stop()
	d.memory.release()
	return nil
}
