//go:build cuda && cgo

package cuda

// #include "patches.h"
import "C"

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

var (
	patches         = declare("patches", 256)
	patchesBackward = declare("patches_backward", 256)
)

// Patches unfolds images into rows.
func (d *device) Patches(dst, images kernels.Tensor, patch int) {
	a := patchesOf(dst, images, patch)
	launch(d, patches, blocks(int(a.count), 1), 0, &a)
}

// PatchesBackward folds rows into images: every pixel lies in one patch.
func (d *device) PatchesBackward(dimages, dpatches kernels.Tensor, patch int) {
	a := patchesOf(dpatches, dimages, patch)
	launch(d, patchesBackward, blocks(int(a.count), 1), 0, &a)
}

func patchesOf(rows, images kernels.Tensor, patch int) C.struct_tg_patches {
	batch, channels, height, width := images.Shape[0], images.Shape[1], images.Shape[2], images.Shape[3]
	if patch < 1 || height%patch != 0 || width%patch != 0 {
		panic(fmt.Sprintf("cuda: Patches: images of %d x %d are not made of patches of %d", height, width, patch))
	}
	kernels.RequireShape("Patches: images", images, batch, channels, height, width)
	kernels.Require("Patches: rows", rows, kernels.Float32, images.Len())
	return C.struct_tg_patches{
		rows: pointer(rows), images: pointer(images), count: C.int64_t(batch * (height / patch) * (width / patch)),
		channels: C.int32_t(channels), grid_h: C.int32_t(height / patch), grid_w: C.int32_t(width / patch), patch: C.int32_t(patch),
	}
}
