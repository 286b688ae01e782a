//go:build cuda && cgo

package cuda

import (
	"fmt"
	"slices"
)

// alignment of every piece of an arena, in bytes.
const alignment = 256

// span is a range of device addresses.
type span struct {
	address uint64
	bytes   int64
}

func (s span) end() uint64 { return s.address + uint64(s.bytes) }

// arena hands out pieces of device memory: always the lowest that fits. So the same requests get the same places, and a
// dry run on an arena without limits tells exactly how much memory the real one needs.
type arena struct {
	free       []span // in order of their addresses, never two that touch within one allocation
	owned      []span // the driver's allocations, in order of their addresses
	live, peak int64  // bytes handed out now, and at most since resetPeak
	extent     uint64 // the end of the highest piece ever handed out
}

// round returns the bytes that a request takes.
func round(bytes int64) int64 { return (bytes + alignment - 1) / alignment * alignment }

// take returns a piece, or false where none is large enough.
func (a *arena) take(bytes int64) (span, bool) {
	bytes = round(bytes)
	for i := range a.free {
		if f := &a.free[i]; f.bytes >= bytes {
			piece := span{f.address, bytes}
			f.address, f.bytes = f.address+uint64(bytes), f.bytes-bytes
			if f.bytes == 0 {
				a.free = slices.Delete(a.free, i, i+1)
			}
			a.live += bytes
			a.peak = max(a.peak, a.live)
			a.extent = max(a.extent, piece.end())
			return piece, true
		}
	}
	return span{}, false
}

// give takes a piece back.
func (a *arena) give(piece span) {
	a.live -= piece.bytes
	a.insert(piece)
}

// add brings a new allocation of the driver in.
func (a *arena) add(s span) {
	i, _ := slices.BinarySearchFunc(a.owned, s.address, byAddress)
	a.owned = slices.Insert(a.owned, i, s)
	a.insert(s)
}

// insert puts a free range in its place and joins it with the ranges that it touches in the same allocation.
func (a *arena) insert(s span) {
	i, found := slices.BinarySearchFunc(a.free, s.address, byAddress)
	if found || i > 0 && a.free[i-1].end() > s.address {
		panic(fmt.Sprintf("cuda: %d bytes at %#x are given back twice", s.bytes, s.address))
	}
	a.free = slices.Insert(a.free, i, s)
	a.join(i)
	if i > 0 {
		a.join(i - 1)
	}
}

// join makes free ranges i and i+1 one, where they touch.
func (a *arena) join(i int) {
	if i+1 == len(a.free) || a.free[i].end() != a.free[i+1].address || a.begins(a.free[i+1].address) {
		return
	}
	a.free[i].bytes += a.free[i+1].bytes
	a.free = slices.Delete(a.free, i+1, i+2)
}

// begins reports whether one of the driver's allocations starts at address.
func (a *arena) begins(address uint64) bool {
	_, found := slices.BinarySearchFunc(a.owned, address, byAddress)
	return found
}

func byAddress(s span, address uint64) int {
	switch {
	case s.address < address:
		return -1
	case s.address > address:
		return 1
	}
	return 0
}
