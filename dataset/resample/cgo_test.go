//go:build cgo

package resample

func init() {
	resizes["C without vectors"] = func(dst, src []uint8, stride int, across, down Taps) {
		resizeC(dst, src, stride, across, down, true)
	}
	warps["C without vectors"] = func(dst, src []uint8, width, height int, m Affine, fill [3]uint8) {
		warpC(dst, src, width, height, m, fill, true)
	}
}
