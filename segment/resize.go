package segment

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/kernels"
)

// ImageNet's statistics of pixels scaled to 0..1, by which all images are normalised (tcl-spec section 1).
var (
	pixelMean      = [3]float64{0.485, 0.456, 0.406}
	pixelDeviation = [3]float64{0.229, 0.224, 0.225}
)

// Maps are maps of one size, one after the other: [Count, Height, Width].
type Maps struct {
	Count, Height, Width int
	Values               []float32
}

// mapsOf takes the maps [n, C, height, width] of n images one after the other, shared.
func mapsOf(t *tensor.Dense) Maps {
	shape := dense.Shape(t)
	return Maps{shape[0] * shape[1], shape[2], shape[3], dense.Must[float32](t, shape...)}
}

// maxPixels bounds the size at which an image is looked at; sides are bounded by the protocol already.
const maxPixels = 1 << 26

// Resize returns the image at the protocol's size, normalised.
func (s *Segmenter) Resize(image *dataset.Image) (Maps, error) {
	height, width := s.protocol.resized(image.Height, image.Width)
	if height*width > maxPixels {
		return Maps{}, fmt.Errorf("an image of %dx%d would be looked at as %dx%d, more than %d pixels; choose a smaller short side", image.Width, image.Height, width, height, maxPixels)
	}
	return s.resample(normalised(image), height, width, kernels.Bilinear)
}

func normalised(image *dataset.Image) Maps {
	n := image.Width * image.Height
	p := Maps{3, image.Height, image.Width, make([]float32, 3*n)}
	for c := range 3 {
		var values [256]float32
		for v := range values {
			values[v] = float32((float64(v)/255 - pixelMean[c]) / pixelDeviation[c])
		}
		for i := range n {
			p.Values[c*n+i] = values[image.Pix[3*i+c]]
		}
	}
	return p
}

// resample returns p at another size.
func (s *Segmenter) resample(p Maps, height, width int, how kernels.Resampling) (Maps, error) {
	if p.Height == height && p.Width == width {
		return p, nil // which every interpolation would give
	}
	src, dst := s.dev.Alloc(kernels.Float32, p.Count, p.Height, p.Width), s.dev.Alloc(kernels.Float32, p.Count, height, width)
	defer s.dev.Free(src, dst)
	s.dev.Upload(src, p.Values)
	s.dev.Resize(dst, src, how)
	out := Maps{p.Count, height, width, make([]float32, dst.Len())}
	if err := s.dev.Download(out.Values, dst); err != nil {
		return Maps{}, fmt.Errorf("resizing %d maps of %dx%d: %w", p.Count, p.Width, p.Height, err)
	}
	return out, nil
}

// Cut returns a window of p.
func (p Maps) Cut(w Window) Maps {
	out := Maps{p.Count, w.Y2 - w.Y1, w.X2 - w.X1, nil}
	out.Values = make([]float32, 0, out.Count*out.Height*out.Width)
	for c := range p.Count {
		for y := w.Y1; y < w.Y2; y++ {
			line := (c*p.Height + y) * p.Width
			out.Values = append(out.Values, p.Values[line+w.X1:line+w.X2]...)
		}
	}
	return out
}

// part returns some of the maps; they alias p.
func (p Maps) part(from, to int) Maps {
	n := p.Height * p.Width
	return Maps{to - from, p.Height, p.Width, p.Values[from*n : to*n]}
}
