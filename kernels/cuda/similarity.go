//go:build cuda && cgo

package cuda

// #include "groundmasks.h"
import "C"

import "github.com/textground/textground/kernels"

// Similarity is the first product of GroundMasks, kept.
func (d *device) Similarity(s, pixels, texts kernels.Tensor) {
	images, places, channels, count := pixels.Shape[0], pixels.Shape[1], pixels.Shape[2], texts.Rows()
	kernels.RequireShape("Similarity: pixels", pixels, images, places, channels)
	kernels.Require("Similarity: texts", texts, kernels.Float32, count*channels)
	kernels.RequireShape("Similarity: s", s, images, count, places)
	textInverse, releaseTexts := d.scratch(4 * count)
	defer releaseTexts()
	pixelInverse, releasePixels := d.scratch(4 * images * places)
	defer releasePixels()
	d.inverseNorms(C.uint64_t(textInverse), texts)
	d.inverseNorms(C.uint64_t(pixelInverse), pixels)
	d.masksProduct(groundMasks, count, places, channels, &C.struct_tg_ground{
		similarity: pointer(s), pixels: pointer(pixels), pixel_inverse: C.uint64_t(pixelInverse),
		texts: pointer(texts), text_inverse: C.uint64_t(textInverse),
		images: C.int32_t(images), height: 1, width: C.int32_t(places), channels: C.int32_t(channels), count: C.int32_t(count), tile: C.int32_t(count),
	})
}
