//go:build cuda && cgo

package cuda

// #include "upsample.h"
import "C"

import "github.com/textground/textground/kernels"

var upsampleBackward = declare("upsample_backward", 256)

// UpsampleBackward adds 2x2 blocks.
func (d *device) UpsampleBackward(dx, dy kernels.Tensor) {
	batch, height, width, channels := dx.Shape[0], dx.Shape[1], dx.Shape[2], dx.Shape[3]
	kernels.RequireShape("UpsampleBackward: dx", dx, batch, height, width, channels)
	kernels.RequireShape("UpsampleBackward: dy", dy, batch, 2*height, 2*width, channels)
	launch(d, upsampleBackward, blocks(batch*height*width, 1), 0, &C.struct_tg_upsample_backward{
		dx: pointer(dx), dy: pointer(dy), lines: C.int64_t(batch * height), width: C.int64_t(width), channels: C.int64_t(channels),
	})
}
