package tcl

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/textground/textground/internal/dense"
)

// imagesAtOnce bounds the memory of EmbedImages.
const imagesAtOnce = 16

// EmbedImages returns CLIP's raw embeddings [n, E] of whole images [n, 3, S, S], normalised, S being the training size: the
// class token through all blocks, ln_post and proj. Its memory is given back at the end.
func (m *Model) EmbedImages(images *tensor.Dense) ([]float32, error) {
	side, e := m.cfg.Vision.Image, m.cfg.Vision.Embed
	pixels, err := dense.Values[float32](images, dense.Any, 3, side, side)
	if err != nil {
		return nil, fmt.Errorf("image embeddings: %w", err)
	}
	n, each := dense.Shape(images)[0], 3*side*side
	out := make([]float32, n*e)
	for from := 0; from < n; from += imagesAtOnce {
		to := min(from+imagesAtOnce, n)
		if err := m.embedImages(out[from*e:to*e], pixels[from*each:to*each]); err != nil {
			return nil, fmt.Errorf("image embeddings: %w", err)
		}
	}
	return out, nil
}

func (m *Model) embedImages(out, pixels []float32) error {
	a := &arena{dev: m.dev}
	defer a.free()
	v, length := m.cfg.Vision, m.cfg.tokens()
	n := len(out) / v.Embed
	images, x, class := a.floats(n, 3, v.Image, v.Image), a.floats(n*length, v.Width), a.floats(n, v.Width)
	block := newBlockMemory(a, n*length, v.Width)
	shape := m.image.classAttention(n, length)
	last := newClassMemory(a, block, shape)
	end := newProjectionMemory(a, n, v.Width, v.Embed)

	m.dev.Upload(images, pixels)
	m.image.trunk(m.dev, x, images, m.image.position, newTokenMemory(a, n, m.cfg.patches(), v.Patch, v.Width), block, m.image.attention(n, length))
	m.image.last().classRow(m.dev, class, x, a.rows(n, 0, length), last, shape)
	m.image.end.forward(m.dev, class, end)
	return m.dev.Download(out, end.out)
}
