//go:build cgo

package cpu

// #include "resize.h"
import "C"

import "github.com/textground/textground/kernels"

// resamplings numbers the interpolations for C.
var resamplings = map[kernels.Resampling]C.enum_tg_resampling{
	kernels.Nearest: C.TG_NEAREST, kernels.Bilinear: C.TG_BILINEAR,
	kernels.BilinearAligned: C.TG_BILINEAR_ALIGNED, kernels.Bicubic: C.TG_BICUBIC,
}

// Resize resamples planes.
func (d *device) Resize(dst, src kernels.Tensor, how kernels.Resampling) {
	planes, h, w, height, width := src.Shape[0], src.Shape[1], src.Shape[2], dst.Shape[1], dst.Shape[2]
	kernels.RequireShape("Resize: src", src, planes, h, w)
	kernels.RequireShape("Resize: dst", dst, planes, height, width)
	C.tg_resize(d.pool.c, &C.struct_tg_resize{
		planes: C.long(planes), h: C.long(h), w: C.long(w), height: C.long(height), width: C.long(width),
		how: resamplings[how], dst: floats(dst), src: floats(src),
	})
	d.countScratch()
}
