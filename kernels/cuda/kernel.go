//go:build cuda && cgo

package cuda

import (
	"unsafe"

	"github.com/textground/textground/kernels"
)

// kernel is one __global__ function of the .cu files. Its threads a block are a constant of its source.
type kernel struct {
	name    string
	threads int
	sm      int // the only compute capability that has it, 0 for all
	index   int // among all that are declared: a device's functions are in this order
}

// declared lists every kernel of the package.
var declared []*kernel

// declare makes a kernel known: Open looks it up in the modules and fails by its name.
func declare(name string, threads int) *kernel {
	return declareOn(0, name, threads)
}

// declareOn is declare for a kernel that is compiled for one compute capability alone; the launcher asks d.sm first.
func declareOn(sm int, name string, threads int) *kernel {
	k := &kernel{name, threads, sm, len(declared)}
	declared = append(declared, k)
	return k
}

// grid counts blocks. Zero Y and Z mean 1.
type grid struct{ X, Y, Z int }

// mostBlocks bounds grids of kernels that stride over their elements.
const mostBlocks = 1 << 20

// blocks is the grid of a kernel that strides over elements, perBlock at a time.
func blocks(elements, perBlock int) grid {
	return grid{X: min(max((elements+perBlock-1)/perBlock, 1), mostBlocks)}
}

// sharedByRight is the dynamic shared memory in bytes that a launch may have without asking.
const sharedByRight = 48 << 10

// launch enqueues one kernel with shared bytes of dynamic shared memory. args, the C struct of the kernel's argument, is copied at once.
func launch[A any](d *device, k *kernel, g grid, shared int, args *A) {
	if d.dry() {
		return
	}
	if shared > sharedByRight && shared > d.allowed[k.index] {
		d.room(0).Allow(d.functions[k.index], uint32(shared))
		d.allowed[k.index] = shared
	}
	bytes := int(unsafe.Sizeof(*args))
	blocks := [3]uint32{uint32(g.X), uint32(max(g.Y, 1)), uint32(max(g.Z, 1))}
	d.room(bytes).Launch(d.functions[k.index], blocks, uint32(k.threads), uint32(shared), unsafe.Pointer(args), bytes)
}

// address returns the device address of t's first element, 0 for an absent or empty tensor.
func address(t kernels.Tensor) uint64 {
	if !t.Present() || t.Len() == 0 {
		return 0
	}
	return t.Mem.(*block).address + uint64(t.Offset*t.DType.Size())
}
