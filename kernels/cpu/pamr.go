//go:build cgo

package cpu

// #include "pamr.h"
import "C"

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

// RefineMasks is PAMR.
func (d *device) RefineMasks(masks, image kernels.Tensor, p kernels.PAMR) {
	count, h, w := masks.Shape[0], masks.Shape[1], masks.Shape[2]
	kernels.RequireShape("RefineMasks: masks", masks, count, h, w)
	kernels.RequireShape("RefineMasks: image", image, image.Shape[0], h, w)
	a := C.struct_tg_refine_masks{
		count: C.long(count), channels: C.long(image.Shape[0]), h: C.long(h), w: C.long(w),
		dilations: C.int(len(p.Dilations)), iterations: C.int(p.Iterations), masks: floats(masks), image: floats(image),
	}
	if len(p.Dilations) == 0 || len(p.Dilations) > len(a.dilation) {
		panic(fmt.Sprintf("cpu: RefineMasks: %d dilations, between 1 and %d are possible", len(p.Dilations), len(a.dilation)))
	}
	for i, dilation := range p.Dilations {
		a.dilation[i] = C.int32_t(dilation)
	}
	C.tg_refine_masks(d.pool.c, &a)
	d.countScratch()
}
