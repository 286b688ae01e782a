package segment

import (
	"fmt"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/tcl"
)

// Segmenter makes masks with one model under one protocol.
type Segmenter struct {
	model     *tcl.Model
	dev       kernels.Device
	tokenizer *dataset.Tokenizer
	protocol  Protocol
}

// New returns a Segmenter on the device that the model lives on. tok belongs to the model's text tower; it may be nil where
// classes come as tokens only. The caller closes model and device.
func New(model *tcl.Model, dev kernels.Device, tok *dataset.Tokenizer, p Protocol) (*Segmenter, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if text := model.Config().Text; tok != nil && (tok.Context() != text.Context || tok.Size() != text.Vocab) {
		return nil, fmt.Errorf("a tokenizer of %d ids in texts of %d, but the model embeds %d ids in texts of %d; CLIP and vocabulary belong together",
			tok.Size(), tok.Context(), text.Vocab, text.Context)
	}
	return &Segmenter{model, dev, tok, p}, nil
}

// Protocol returns the card.
func (s *Segmenter) Protocol() Protocol { return s.protocol }

// Scores returns the scores of the classes at every pixel of the images, which go through the model together where their
// sizes are equal.
func (s *Segmenter) Scores(classes *Classes, images ...*dataset.Image) ([]*Scores, error) {
	scores := make([]*Scores, 0, len(images))
	for len(images) > 0 {
		n := sameSize(images)
		some, err := s.scoreEqual(classes, images[:n])
		if err != nil {
			return nil, err
		}
		scores, images = append(scores, some...), images[n:]
	}
	return scores, nil
}

// sameSize counts the leading images that share a size.
func sameSize(images []*dataset.Image) int {
	n := 1
	for n < len(images) && images[n].Width == images[0].Width && images[n].Height == images[0].Height {
		n++
	}
	return n
}

// maxScores bounds the scores of one image: 4 GiB of them.
const maxScores = 1 << 30

// scoreEqual does the work for images of one size.
func (s *Segmenter) scoreEqual(classes *Classes, images []*dataset.Image) ([]*Scores, error) {
	if width, height := images[0].Width, images[0].Height; (len(classes.Names)+1)*width*height > maxScores {
		return nil, fmt.Errorf("%d classes at %dx%d pixels are more than %d scores; make the image smaller, or name fewer classes", len(classes.Names), width, height, maxScores)
	}
	resized := make([]Maps, len(images))
	for i, image := range images {
		var err error
		if resized[i], err = s.Resize(image); err != nil {
			return nil, err
		}
	}
	averages, err := s.Average(classes, resized)
	if err != nil {
		return nil, err
	}
	scores := make([]*Scores, len(images))
	for i, image := range images {
		full, err := s.resample(averages[i], image.Height, image.Width, kernels.Bilinear)
		if err != nil {
			return nil, err
		}
		scores[i] = s.withBackground(classes, full)
	}
	return scores, nil
}

// withBackground puts the constant score of class 0 before the classes' own, where the protocol has a background.
func (s *Segmenter) withBackground(classes *Classes, full Maps) *Scores {
	names, values := classes.Names, full.Values
	if s.protocol.Background {
		names = append([]string{BackgroundName}, names...)
		values = make([]float32, full.Height*full.Width, full.Height*full.Width+len(full.Values))
		for i := range values {
			values[i] = float32(s.protocol.Threshold)
		}
		values = append(values, full.Values...)
	}
	return &Scores{Names: names, Values: dense.Of(values, len(names), full.Height, full.Width)}
}
