package segment

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
)

// WritePNG writes the labels as a paletted PNG: the index of a pixel is its label, its colour the label's.
func (l *LabelMap) WritePNG(w io.Writer, background bool) error {
	height, width := l.Size()
	img := image.NewPaletted(image.Rect(0, 0, width, height), palette(background))
	copy(img.Pix, l.Pix())
	return png.Encode(w, img)
}

// maxLabelPixels bounds what a label map may claim before its pixels are unpacked.
const maxLabelPixels = 1 << 28

// ReadLabels reads a label map as benchmarks and WritePNG store it: a PNG of numbers 0 to 255, paletted or grey.
func ReadLabels(data []byte) (*LabelMap, error) {
	config, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("label map: %w", err)
	}
	if config.Width > maxLabelPixels/config.Height {
		return nil, fmt.Errorf("label map: %dx%d pixels, more than %d", config.Width, config.Height, maxLabelPixels)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("label map: %w", err)
	}
	switch p := img.(type) {
	case *image.Paletted:
		return NewLabelMap(config.Height, config.Width, p.Pix), nil
	case *image.Gray:
		return NewLabelMap(config.Height, config.Width, unscaled(p.Pix, data[pngBitDepth])), nil
	case *image.Gray16:
		return narrowed(p)
	}
	return nil, fmt.Errorf("label map: a PNG of colours, but labels are grey or paletted; convert it to label numbers")
}

// pngBitDepth is where a PNG says how many bits a sample has: behind signature, length, type, width and height.
const pngBitDepth = 24

// unscaled undoes that the decoder stretches grey of 1, 2 or 4 bits over 0 to 255.
func unscaled(pix []uint8, bits uint8) []uint8 {
	largest := 1<<int(bits) - 1
	step := uint8(255 / largest)
	for i := range pix {
		pix[i] /= step
	}
	return pix
}

// narrowed takes label numbers out of 16 bits a pixel.
func narrowed(p *image.Gray16) (*LabelMap, error) {
	size := p.Rect.Size()
	pix := make([]uint8, size.X*size.Y)
	for i := range pix {
		x, y := i%size.X, i/size.X
		v := p.Gray16At(x, y).Y
		if v > Ignored {
			return nil, fmt.Errorf("label map: label %d at (%d, %d), but labels are 0 to %d", v, x, y, Ignored)
		}
		pix[i] = uint8(v)
	}
	return NewLabelMap(size.Y, size.X, pix), nil
}
