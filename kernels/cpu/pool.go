//go:build cgo

package cpu

// #include "pool.h"
import "C"

import (
	"fmt"
	"slices"
)

type instructionSet struct {
	name string
	code C.enum_tg_isa
}

// instructionSets lists what the C code is written for, fastest first, with the numbers of pool.h.
var instructionSets = []instructionSet{
	{"avx512", C.TG_AVX512},
	{"avx2", C.TG_AVX2},
	{"neon", C.TG_NEON},
	{"scalar", C.TG_SCALAR},
}

// available returns the names of the instruction sets that this CPU can run, fastest first.
func available() []string {
	var names []string
	for _, set := range instructionSets {
		if C.tg_isa_available(set.code) != 0 {
			names = append(names, set.name)
		}
	}
	return names
}

// pool is the C side of a device: its threads, and the scratch space that they keep from operation to operation.
type pool struct {
	c       *C.struct_tg_pool
	counted int64 // bytes of the pool's space that are in the device's memory count
}

// newPool starts the threads for one of the available instruction sets.
func newPool(threads int, isa string) (pool, error) {
	if threads < 1 {
		return pool{}, fmt.Errorf("cpu: %d threads: at least 1 is needed", threads)
	}
	i := slices.IndexFunc(instructionSets, func(s instructionSet) bool { return s.name == isa })
	if i < 0 || !slices.Contains(available(), isa) {
		return pool{}, fmt.Errorf("cpu: this CPU has no instruction set %q: it has %q", isa, available())
	}
	c := C.tg_pool_new(C.int(threads), instructionSets[i].code)
	if c == nil {
		return pool{}, fmt.Errorf("cpu: the system gives no %d threads", threads)
	}
	return pool{c: c}, nil
}

func (p *pool) stop() {
	C.tg_pool_free(p.c)
	p.c = nil
}

// countScratch enters what an operation added to the pool's space into the device's peak. Every operation that uses the
// pool ends with it, while all its tensors are alive.
func (d *device) countScratch() {
	bytes := int64(C.tg_pool_bytes(d.pool.c))
	d.memory.count(bytes - d.pool.counted)
	d.pool.counted = bytes
}
