//go:build cgo

package cpu

// #include "patches.h"
import "C"

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

// Patches unfolds images into rows.
func (d *device) Patches(dst, images kernels.Tensor, patch int) {
	a := patchesOf(dst, images, patch)
	C.tg_patches(d.pool.c, &a)
}

// PatchesBackward folds rows into images: every pixel lies in one patch.
func (d *device) PatchesBackward(dimages, dpatches kernels.Tensor, patch int) {
	a := patchesOf(dpatches, dimages, patch)
	a.fold = 1
	C.tg_patches(d.pool.c, &a)
}

func patchesOf(rows, images kernels.Tensor, patch int) C.struct_tg_patches {
	batch, channels, height, width := images.Shape[0], images.Shape[1], images.Shape[2], images.Shape[3]
	if patch < 1 || height%patch != 0 || width%patch != 0 {
		panic(fmt.Sprintf("cpu: Patches: images of %d x %d are not made of patches of %d", height, width, patch))
	}
	kernels.RequireShape("Patches: images", images, batch, channels, height, width)
	kernels.Require("Patches: rows", rows, kernels.Float32, images.Len())
	return C.struct_tg_patches{
		batch: C.long(batch), channels: C.long(channels), grid_h: C.long(height / patch), grid_w: C.long(width / patch),
		patch: C.long(patch), rows: floats(rows), images: floats(images),
	}
}
