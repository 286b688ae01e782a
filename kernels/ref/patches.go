package ref

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

// Patches unfolds.
func (d *device) Patches(dst, images kernels.Tensor, patch int) {
	eachPatchRow(dst, images, patch, func(row, line []float32) { copy(row, line) })
}

// PatchesBackward folds: every pixel lies in exactly one patch.
func (d *device) PatchesBackward(dimages, dpatches kernels.Tensor, patch int) {
	eachPatchRow(dpatches, dimages, patch, func(row, line []float32) { copy(line, row) })
}

// eachPatchRow visits each line of patch pixels in the image together with its place in the patch's row.
func eachPatchRow(patches, images kernels.Tensor, patch int, visit func(row, line []float32)) {
	kernels.RequireShape("Patches: images", images, images.Shape...)
	batch, channels, height, width := images.Shape[0], images.Shape[1], images.Shape[2], images.Shape[3]
	if height%patch != 0 || width%patch != 0 {
		panic(fmt.Sprintf("ref: images of %d x %d are not made of patches of %d", height, width, patch))
	}
	gridH, gridW := height/patch, width/patch
	kernels.Require("Patches: patches", patches, kernels.Float32, images.Len())
	unfolded, pixels := values(patches), values(images)
	parallel(batch*gridH*gridW, func(n int) {
		b, gy, gx := n/(gridH*gridW), n/gridW%gridH, n%gridW
		for c := range channels {
			for y := range patch {
				row := unfolded[((n*channels+c)*patch+y)*patch:][:patch]
				line := pixels[((b*channels+c)*height+gy*patch+y)*width+gx*patch:][:patch]
				visit(row, line)
			}
		}
	})
}
