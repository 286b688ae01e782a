//go:build cuda && cgo

package cuda

// #include "pamr.h"
import "C"

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

var (
	pamrAffinity = declare("pamr_affinity", 128)
	pamrStep     = declare("pamr_step", 128)
)

// RefineMasks is PAMR: masks go to and fro between their own memory, where they end, and as much again.
func (d *device) RefineMasks(masks, image kernels.Tensor, p kernels.PAMR) {
	count, channels, h, w := masks.Shape[0], image.Shape[0], masks.Shape[1], masks.Shape[2]
	kernels.RequireShape("RefineMasks: masks", masks, count, h, w)
	kernels.RequireShape("RefineMasks: image", image, channels, h, w)
	a := &C.struct_tg_pamr{
		image: pointer(image), count: C.int64_t(count), channels: C.int32_t(channels), h: C.int32_t(h), w: C.int32_t(w),
		dilations: C.int32_t(len(p.Dilations)),
	}
	if len(p.Dilations) == 0 || len(p.Dilations) > len(a.dilation) {
		panic(fmt.Sprintf("cuda: RefineMasks: %d dilations, between 1 and %d are possible", len(p.Dilations), len(a.dilation)))
	}
	for i, dilation := range p.Dilations {
		a.dilation[i] = C.int32_t(dilation)
	}
	other := d.Alloc(kernels.Float32, count, h, w)
	defer d.Free(other)
	affinity, release := d.scratch(4 * 8 * len(p.Dilations) * h * w)
	defer release()
	a.affinity = C.uint64_t(affinity)
	perPlane := blocks(h*w, 128)
	launch(d, pamrAffinity, perPlane, 0, a)
	from, to := masks, other
	if p.Iterations%2 == 1 {
		d.Copy(other, masks)
		from, to = other, masks
	}
	for range p.Iterations {
		a.from, a.to = pointer(from), pointer(to)
		launch(d, pamrStep, grid{X: perPlane.X, Y: min(max(count, 1), 65535)}, 0, a)
		from, to = to, from
	}
}
