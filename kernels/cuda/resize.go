//go:build cuda && cgo

package cuda

// #include "resize.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	resizeTaps = declare("resize_taps", 128)
	resize     = declare("resize", 256)
)

// resamplings numbers the interpolations for C.
var resamplings = map[kernels.Resampling]C.int32_t{
	kernels.Nearest: C.TG_NEAREST, kernels.Bilinear: C.TG_BILINEAR,
	kernels.BilinearAligned: C.TG_BILINEAR_ALIGNED, kernels.Bicubic: C.TG_BICUBIC,
}

// Resize resamples planes.
func (d *device) Resize(dst, src kernels.Tensor, how kernels.Resampling) {
	planes, h, w, height, width := src.Shape[0], src.Shape[1], src.Shape[2], dst.Shape[1], dst.Shape[2]
	kernels.RequireShape("Resize: src", src, planes, h, w)
	kernels.RequireShape("Resize: dst", dst, planes, height, width)
	taps, release := d.scratch((height + width) * C.sizeof_struct_tg_taps)
	defer release()
	a := &C.struct_tg_resize{
		taps: C.uint64_t(taps), dst: pointer(dst), src: pointer(src), lines: C.int64_t(planes * height),
		h: C.int32_t(h), w: C.int32_t(w), height: C.int32_t(height), width: C.int32_t(width), how: resamplings[how],
	}
	launch(d, resizeTaps, blocks(height+width, 128), 0, a)
	launch(d, resize, blocks(planes*height, 1), 0, a)
}
