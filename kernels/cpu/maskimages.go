//go:build cgo

package cpu

// #include "maskimages.h"
import "C"

import "github.com/textground/textground/kernels"

// MaskImages multiplies each pixel by the mask position it lies in.
func (d *device) MaskImages(out, images, hard kernels.Tensor, h, w int) {
	a := maskedImages(images, h, w)
	kernels.Require("MaskImages: out", out, kernels.Float32, images.Len())
	kernels.Require("MaskImages: hard", hard, kernels.Float32, images.Shape[0]*h*w)
	a.out, a.hard = floats(out), floats(hard)
	C.tg_mask_images(d.pool.c, &a)
}

// MaskImagesBackward adds the pixels of each mask position.
func (d *device) MaskImagesBackward(dhard, dout, images kernels.Tensor, h, w int) {
	a := maskedImages(images, h, w)
	kernels.Require("MaskImagesBackward: dout", dout, kernels.Float32, images.Len())
	kernels.Require("MaskImagesBackward: dhard", dhard, kernels.Float32, images.Shape[0]*h*w)
	a.dout, a.dhard = floats(dout), floats(dhard)
	C.tg_mask_images_backward(d.pool.c, &a)
}

func maskedImages(images kernels.Tensor, h, w int) C.struct_tg_mask_images {
	kernels.RequireShape("MaskImages: images", images, images.Shape...)
	return C.struct_tg_mask_images{
		batch: C.long(images.Shape[0]), channels: C.long(images.Shape[1]), height: C.long(images.Shape[2]), width: C.long(images.Shape[3]),
		h: C.long(h), w: C.long(w), images: floats(images),
	}
}
