package ref

import "github.com/textground/textground/kernels"

// MaskImages multiplies each pixel by the mask position it lies in.
func (d *device) MaskImages(out, images, hard kernels.Tensor, h, w int) {
	kernels.Require("MaskImages: out", out, kernels.Float32, images.Len())
	kernels.Require("MaskImages: hard", hard, kernels.Float32, images.Shape[0]*h*w)
	masked, pixels, mask := values(out), values(images), values(hard)
	eachMaskedPixel(images, h, w, func(pixel, place int) { masked[pixel] = pixels[pixel] * mask[place] })
}

// MaskImagesBackward adds the pixels of each mask position in order.
func (d *device) MaskImagesBackward(dhard, dout, images kernels.Tensor, h, w int) {
	kernels.Require("MaskImagesBackward: dout", dout, kernels.Float32, images.Len())
	kernels.Require("MaskImagesBackward: dhard", dhard, kernels.Float32, images.Shape[0]*h*w)
	grad, pixels := values(dout), values(images)
	sums := make([]float64, dhard.Len())
	eachMaskedPixel(images, h, w, func(pixel, place int) { sums[place] += float64(grad[pixel]) * float64(pixels[pixel]) })
	store(values(dhard), sums)
}

// eachMaskedPixel visits every value of images [B, C, H, W] with the place in masks [B, h*w] that covers it: the nearest
// neighbour as PyTorch has it, floor(y*h/H).
func eachMaskedPixel(images kernels.Tensor, h, w int, visit func(pixel, place int)) {
	kernels.RequireShape("MaskImages: images", images, images.Shape...)
	channels, height, width := images.Shape[1], images.Shape[2], images.Shape[3]
	for pixel := range images.Len() {
		b, y, x := pixel/(channels*height*width), pixel/width%height, pixel%width
		visit(pixel, (b*h+y*h/height)*w+x*w/width)
	}
}
