//go:build cgo

package cpu

// #include "upsample.h"
import "C"

import "github.com/textground/textground/kernels"

// UpsampleBackward adds 2x2 blocks.
func (d *device) UpsampleBackward(dx, dy kernels.Tensor) {
	batch, height, width, channels := dx.Shape[0], dx.Shape[1], dx.Shape[2], dx.Shape[3]
	kernels.RequireShape("UpsampleBackward: dx", dx, batch, height, width, channels)
	kernels.RequireShape("UpsampleBackward: dy", dy, batch, 2*height, 2*width, channels)
	C.tg_upsample_backward(d.pool.c, &C.struct_tg_upsample_backward{
		lines: C.long(batch * height), width: C.long(width), channels: C.long(channels), dx: floats(dx), dy: floats(dy),
	})
}
