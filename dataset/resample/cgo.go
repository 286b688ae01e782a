//go:build cgo

package resample

// #cgo CFLAGS: -O3 -std=c11
// #include "resize.h"
// #include "warp.h"
import "C"

import (
	"sync"
	"unsafe"
)

// Resize scales the 8-bit RGB picture src, whose rows begin every stride bytes, and writes [len(down.First)][len(across.First)]
// pixels to dst. What lies in no output is not computed.
func Resize(dst, src []uint8, stride int, across, down Taps) {
	resizeC(dst, src, stride, across, down, false)
}

// resizeC is Resize, plainly if asked: as on processors that there are no vectors for.
func resizeC(dst, src []uint8, stride int, across, down Taps, plainly bool) {
	check(dst, src, stride, across, down)
	plain := truth(plainly)
	top, stop, used, length := down.top(), down.last(), across.last(), 3*len(across.First)
	rowStride := length + 1
	between, column := rowStride*(stop-top)+C.tg_column, C.tg_column*used
	scratch := scratches.Get().(*[]uint8)
	defer scratches.Put(scratch)
	if cap(*scratch) < between+column {
		*scratch = make([]uint8, between+column)
	}
	rows, block := (*scratch)[:between], (*scratch)[between:between+column]
	C.tg_resize_rows(plain, octets(rows), C.int(rowStride), octets(block), octets(src[top*stride:]), C.int(stride), C.int(stop-top), C.int(used),
		C.int(len(across.First)), C.int(across.Width), numbers(across.First), numbers(across.Weights))
	C.tg_blend_rows(plain, octets(dst), octets(rows), C.int(rowStride), C.int(length), C.int(len(down.First)), C.int(down.Width), C.int(top),
		numbers(down.First), numbers(down.Weights))
}

// Warp fetches every pixel of dst from where m points in src, bilinearly, and the fill colour from outside. Both have 8-bit RGB pixels,
// width x height of them.
func Warp(dst, src []uint8, width, height int, m Affine, fill [3]uint8) {
	warpC(dst, src, width, height, m, fill, false)
}

// warpC is Warp, plainly if asked.
func warpC(dst, src []uint8, width, height int, m Affine, fill [3]uint8, plainly bool) {
	checkWarp(dst, src, width, height)
	numbers := [6]C.double{C.double(m.A), C.double(m.B), C.double(m.C), C.double(m.D), C.double(m.E), C.double(m.F)}
	C.tg_warp(truth(plainly), octets(dst), octets(src), C.int(width), C.int(height), &numbers[0], octets(fill[:]))
}

func truth(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// scratches keep what lies between rows and columns: hundreds of kilobytes that need no clearing.
var scratches = sync.Pool{New: func() any { return new([]uint8) }}

func octets(b []uint8) *C.uint8_t  { return (*C.uint8_t)(unsafe.SliceData(b)) }
func numbers(n []int32) *C.int32_t { return (*C.int32_t)(unsafe.SliceData(n)) }
