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

// ReadLabels reads a label map as benchmarks and WritePNG store it: a PNG with 8 bits a pixel, paletted or grey.
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
		return NewLabelMap(config.Height, config.Width, p.Pix), nil
	}
	return nil, fmt.Errorf("label map: a PNG of colours or of 16 bits, but labels are grey or paletted with 8 bits a pixel; convert it to label numbers")
}
