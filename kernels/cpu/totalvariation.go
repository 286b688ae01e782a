//go:build cgo

package cpu

// #include "totalvariation.h"
import "C"

import "github.com/textground/textground/kernels"

// TotalVariation is mean|x step| + mean|y step|.
func (d *device) TotalVariation(sum, x kernels.Tensor) {
	kernels.Require("TotalVariation: sum", sum, kernels.Float64, 1)
	a := variationOf(x, 1)
	a.sum = doubles(sum)
	C.tg_total_variation(d.pool.c, &a)
	d.countScratch()
}

// TotalVariationBackward adds the signs of the steps.
func (d *device) TotalVariationBackward(dx, x kernels.Tensor, weight float32) {
	kernels.RequireShape("TotalVariationBackward: dx", dx, x.Shape...)
	a := variationOf(x, float64(weight))
	a.dx = floats(dx)
	C.tg_total_variation_backward(d.pool.c, &a)
}

// variationOf describes the map x; an axis without steps weighs 0.
func variationOf(x kernels.Tensor, weight float64) C.struct_tg_total_variation {
	batch, height, width, channels := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	kernels.RequireShape("TotalVariation: x", x, batch, height, width, channels)
	a := C.struct_tg_total_variation{
		batch: C.long(batch), height: C.long(height), width: C.long(width), channels: C.long(channels), x: floats(x),
	}
	if width > 1 {
		a.per_x = C.double(weight / float64(batch*height*(width-1)*channels))
	}
	if height > 1 {
		a.per_y = C.double(weight / float64(batch*(height-1)*width*channels))
	}
	return a
}
