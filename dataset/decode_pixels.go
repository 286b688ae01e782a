package dataset

import (
	"image"
	"image/color"
)

// imageFrom copies a decoded picture of any colour model to 8-bit RGB. Colours under a transparent alpha are kept.
func imageFrom(picture image.Image) *Image {
	b := picture.Bounds()
	out := newImage(b.Dx(), b.Dy())
	fill := rowReader(picture)
	for y := range out.Height {
		fill(out.Pix[3*y*out.Width:3*(y+1)*out.Width], b.Min.X, b.Min.Y+y)
	}
	return out
}

// rowReader returns the function that copies one row of a picture, from (x, y) on, into dst.
func rowReader(picture image.Image) func(dst []uint8, x, y int) {
	switch p := picture.(type) {
	case *image.YCbCr:
		return func(dst []uint8, x, y int) { copyYCbCr(dst, p, x, y) }
	case *image.NYCbCrA:
		return func(dst []uint8, x, y int) { copyYCbCr(dst, &p.YCbCr, x, y) }
	case *image.Gray:
		return func(dst []uint8, x, y int) { copyGrey(dst, p.Pix[p.PixOffset(x, y):], 1) }
	case *image.Gray16:
		return func(dst []uint8, x, y int) { copyGrey(dst, p.Pix[p.PixOffset(x, y):], 2) }
	case *image.RGBA: // from PNGs without alpha only
		return func(dst []uint8, x, y int) { copyChannels(dst, p.Pix[p.PixOffset(x, y):], 1) }
	case *image.NRGBA:
		return func(dst []uint8, x, y int) { copyChannels(dst, p.Pix[p.PixOffset(x, y):], 1) }
	case *image.RGBA64: // from PNGs without alpha only
		return func(dst []uint8, x, y int) { copyChannels(dst, p.Pix[p.PixOffset(x, y):], 2) }
	case *image.NRGBA64:
		return func(dst []uint8, x, y int) { copyChannels(dst, p.Pix[p.PixOffset(x, y):], 2) }
	case *image.Paletted:
		colours := paletteColours(p.Palette)
		return func(dst []uint8, x, y int) { copyPaletted(dst, p.Pix[p.PixOffset(x, y):], &colours) }
	default: // CMYK
		return func(dst []uint8, x, y int) { copyAny(dst, picture, x, y) }
	}
}

// copyYCbCr converts by JFIF's formula in 16-bit fixed point, rounded as libjpeg does: 1.402, 0.344136, 0.714136, 1.772.
func copyYCbCr(dst []uint8, p *image.YCbCr, x, y int) {
	const half = 1 << 15
	luma := p.Y[p.YOffset(x, y):]
	for i := 0; i < len(dst); i += 3 {
		at := p.COffset(x+i/3, y)
		l, cb, cr := int32(luma[i/3])<<16+half, int32(p.Cb[at])-128, int32(p.Cr[at])-128
		pixel := dst[i : i+3 : i+3]
		pixel[0] = clamp8((l + 91881*cr) >> 16)
		pixel[1] = clamp8((l - 22554*cb - 46802*cr) >> 16)
		pixel[2] = clamp8((l + 116130*cb) >> 16)
	}
}

func clamp8(v int32) uint8 { return uint8(max(0, min(v, 255))) }

// copyGrey reads one value a pixel, the high byte of each, and copyChannels four, the last of them alpha.
func copyGrey(dst, src []uint8, bytesPerValue int) {
	for i := 0; i < len(dst); i += 3 {
		v := src[i/3*bytesPerValue]
		dst[i], dst[i+1], dst[i+2] = v, v, v
	}
}

func copyChannels(dst, src []uint8, bytesPerValue int) {
	for i, at := 0, 0; i < len(dst); i, at = i+3, at+4*bytesPerValue {
		dst[i], dst[i+1], dst[i+2] = src[at], src[at+bytesPerValue], src[at+2*bytesPerValue]
	}
}

// paletteColours covers all indices: those that a short palette lacks are black.
func paletteColours(palette color.Palette) (colours [256][3]uint8) {
	for i, c := range palette {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		colours[i] = [3]uint8{n.R, n.G, n.B}
	}
	return colours
}

func copyPaletted(dst, src []uint8, colours *[256][3]uint8) {
	for i := 0; i < len(dst); i += 3 {
		copy(dst[i:i+3], colours[src[i/3]][:])
	}
}

func copyAny(dst []uint8, picture image.Image, x, y int) {
	for i := 0; i < len(dst); i += 3 {
		n := color.NRGBAModel.Convert(picture.At(x, y)).(color.NRGBA)
		dst[i], dst[i+1], dst[i+2] = n.R, n.G, n.B
		x++
	}
}
