//go:build cgo

package ingest

// #cgo CFLAGS: -O3
// #include "resize.h"
import "C"

import "unsafe"

// narrow is narrowGo, in vector code where there is one channel.
func (p plane) narrow(into []uint8, across taps) {
	if p.channels > 1 {
		p.narrowGo(into, across)
		return
	}
	C.tg_ingest_narrow(pixels(into), pixels(p.pix), C.int(p.stride), C.int(p.height), C.int(len(across.first)), C.int(across.width), across.begins(), across.amounts())
}

// lower is lowerGo in vector code.
func lower(into, rows []uint8, stride int, down taps) {
	C.tg_ingest_lower(pixels(into), pixels(rows), C.int(stride), C.int(len(down.first)), C.int(down.width), down.begins(), down.amounts())
}

func pixels(b []uint8) *C.uint8_t  { return (*C.uint8_t)(unsafe.SliceData(b)) }
func (t taps) begins() *C.int32_t  { return (*C.int32_t)(unsafe.SliceData(t.first)) }
func (t taps) amounts() *C.int16_t { return (*C.int16_t)(unsafe.SliceData(t.weights)) }
