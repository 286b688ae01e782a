//go:build cgo

package cpu

// #include <stdlib.h>
// #include <string.h>
import "C"

import (
	"fmt"
	"unsafe"
)

// alignment of every allocation, in bytes: a cache line and an AVX-512 vector.
const alignment = 64

// memory counts what a device holds. Freed blocks are kept for the next request of their size, because a step asks for
// the same sizes as the one before and fresh pages cost more than most operations. A server that meets images of many sizes
// asks for ever new ones, so no more is kept than was ever in use.
type memory struct {
	live, peak int64                    // bytes handed out now, and at most since ResetPeak
	most       int64                    // bytes handed out at most, ever
	kept       map[int][]unsafe.Pointer // free blocks by size
	keptBytes  int64
}

// take returns a block of the given number of bytes, zeroed on demand.
func (m *memory) take(bytes int, zeroed bool) []byte {
	if bytes == 0 {
		return nil
	}
	size := (bytes + alignment - 1) / alignment * alignment
	m.count(int64(size))
	block := m.block(size)
	if zeroed {
		C.memset(block, 0, C.size_t(bytes))
	}
	return unsafe.Slice((*byte)(block), bytes)
}

func (m *memory) block(size int) unsafe.Pointer {
	if blocks := m.kept[size]; len(blocks) > 0 {
		m.kept[size] = blocks[:len(blocks)-1]
		m.keptBytes -= int64(size)
		return blocks[len(blocks)-1]
	}
	block := C.aligned_alloc(alignment, C.size_t(size))
	if block == nil {
		panic(fmt.Sprintf("cpu: no memory for %d bytes, %d are in use", size, m.live))
	}
	return block
}

// give takes a block back.
func (m *memory) give(data []byte) {
	if len(data) == 0 {
		return
	}
	size := (len(data) + alignment - 1) / alignment * alignment
	m.live -= int64(size)
	if m.keptBytes+int64(size) > m.most {
		C.free(unsafe.Pointer(&data[0]))
		return
	}
	if m.kept == nil {
		m.kept = map[int][]unsafe.Pointer{}
	}
	m.kept[size] = append(m.kept[size], unsafe.Pointer(&data[0]))
	m.keptBytes += int64(size)
}

// count adds bytes that are held, such as the working space of the pool's threads.
func (m *memory) count(bytes int64) {
	m.live += bytes
	m.peak = max(m.peak, m.live)
	m.most = max(m.most, m.live)
}

// release frees the kept blocks.
func (m *memory) release() {
	for _, blocks := range m.kept {
		for _, block := range blocks {
			C.free(block)
		}
	}
	m.kept, m.keptBytes = nil, 0
}

// Peak returns the most bytes in use at one time since ResetPeak.
func (m *memory) Peak() int64 { return m.peak }

// ResetPeak begins a new measurement at what is in use now.
func (m *memory) ResetPeak() { m.peak = m.live }
