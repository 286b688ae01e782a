//go:build cuda && cgo

package cuda

// #include "totalvariation.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	totalVariation         = declare("total_variation", 256)
	totalVariationBackward = declare("total_variation_backward", 256)
)

// TotalVariation is mean|x step| + mean|y step|.
func (d *device) TotalVariation(sum, x kernels.Tensor) {
	kernels.Require("TotalVariation: sum", sum, kernels.Float64, 1)
	a := variationOf(x, 1)
	lines := int(a.lines)
	partial, release := d.scratch(8 * lines)
	defer release()
	a.partial = C.uint64_t(partial)
	launch(d, totalVariation, grid{X: lines}, 0, &a)
	d.total(sum, partial, lines)
}

// TotalVariationBackward adds the signs of the steps.
func (d *device) TotalVariationBackward(dx, x kernels.Tensor, weight float32) {
	kernels.RequireShape("TotalVariationBackward: dx", dx, x.Shape...)
	a := variationOf(x, float64(weight))
	a.dx = pointer(dx)
	launch(d, totalVariationBackward, blocks(int(a.lines), 1), 0, &a)
}

// variationOf describes the map x; an axis without steps weighs 0.
func variationOf(x kernels.Tensor, weight float64) C.struct_tg_total_variation {
	batch, height, width, channels := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	kernels.RequireShape("TotalVariation: x", x, batch, height, width, channels)
	a := C.struct_tg_total_variation{
		x: pointer(x), lines: C.int64_t(batch * height),
		height: C.int64_t(height), width: C.int64_t(width), channels: C.int64_t(channels),
	}
	if width > 1 {
		a.per_x = C.double(weight / float64(batch*height*(width-1)*channels))
	}
	if height > 1 {
		a.per_y = C.double(weight / float64(batch*(height-1)*width*channels))
	}
	return a
}
