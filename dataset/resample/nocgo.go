//go:build !cgo

package resample

// Resize scales the 8-bit RGB picture src, whose rows begin every stride bytes, and writes [len(down.First)][len(across.First)]
// pixels to dst. What lies in no output is not computed.
func Resize(dst, src []uint8, stride int, across, down Taps) {
	check(dst, src, stride, across, down)
	resizeGo(dst, src, stride, across, down)
}

// Warp fetches every pixel of dst from where m points in src, bilinearly, and the fill colour from outside. Both have 8-bit RGB pixels,
// width x height of them.
func Warp(dst, src []uint8, width, height int, m Affine, fill [3]uint8) {
	checkWarp(dst, src, width, height)
	warpGo(dst, src, width, height, m, fill)
}
