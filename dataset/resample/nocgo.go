//go:build !cgo

package resample

// Resize scales the 8-bit RGB picture src, whose rows begin every stride bytes, and writes [len(down.First)][len(across.First)]
// pixels to dst. What lies in no output is not computed.
func Resize(dst, src []uint8, stride int, across, down Taps) {
	check(dst, src, stride, across, down)
	resizeGo(dst, src, stride, across, down)
}
