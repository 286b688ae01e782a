//go:build cuda && cgo

package cuda

// #include "maskimages.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	maskImages         = declare("mask_images", 256)
	maskImagesBackward = declare("mask_images_backward", 256)
)

// MaskImages multiplies each pixel by the mask position it lies in.
func (d *device) MaskImages(out, images, hard kernels.Tensor, h, w int) {
	a := maskedImages(images, h, w)
	kernels.Require("MaskImages: out", out, kernels.Float32, images.Len())
	kernels.Require("MaskImages: hard", hard, kernels.Float32, images.Shape[0]*h*w)
	lines := images.Rows()
	a.out, a.hard, a.lines = pointer(out), pointer(hard), C.int64_t(lines)
	launch(d, maskImages, blocks(lines, 1), 0, &a)
}

// MaskImagesBackward adds the pixels of each mask position.
func (d *device) MaskImagesBackward(dhard, dout, images kernels.Tensor, h, w int) {
	a := maskedImages(images, h, w)
	kernels.Require("MaskImagesBackward: dout", dout, kernels.Float32, images.Len())
	kernels.Require("MaskImagesBackward: dhard", dhard, kernels.Float32, images.Shape[0]*h*w)
	lines := images.Shape[0] * h
	a.dout, a.dhard, a.lines = pointer(dout), pointer(dhard), C.int64_t(lines)
	launch(d, maskImagesBackward, blocks(lines, 1), 0, &a)
}

func maskedImages(images kernels.Tensor, h, w int) C.struct_tg_mask_images {
	kernels.RequireShape("MaskImages: images", images, images.Shape...)
	return C.struct_tg_mask_images{
		channels: C.int32_t(images.Shape[1]), height: C.int32_t(images.Shape[2]), width: C.int32_t(images.Shape[3]),
		h: C.int32_t(h), w: C.int32_t(w), images: pointer(images),
	}
}
