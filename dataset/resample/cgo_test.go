//go:build cgo

package resample

func init() {
	resizes["C without vectors"] = func(dst, src []uint8, stride int, across, down Taps) {
		resizeC(dst, src, stride, across, down, true)
	}
}
