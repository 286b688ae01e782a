//go:build !cgo

package ingest

func (p plane) narrow(into []uint8, across taps) { p.narrowGo(into, across) }

func lower(into, rows []uint8, stride int, down taps) { lowerGo(into, rows, stride, down) }
