//go:build cuda && cgo

package cuda_test

import (
	"fmt"
	"testing"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/cuda"
)

// The suite has one tile of texts and one group of images. Here groups are of two images, an image's own text is the last of
// the first tile, and the next image's the first of the second.
func TestTilesOfTextsAndGroupsOfImagesConform(t *testing.T) {
	for _, s := range []groundSize{{3, 3, 4, 300, 5, 255}, {5, 5, 7, 6, 4, 1}} {
		defer cuda.BoundPlanes(4 * 256 * 2 * s.height * s.width)()
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			compare(t, func(b *bench) []kernels.Tensor { return b.ground(s) })
		})
	}
}

type groundSize struct{ images, height, width, texts, channels, first int }

// ground runs both mask operations, but for the sums and the total variation, which are the suite's: among so many places there
// are neighbours whose order depends on the last bit.
func (b *bench) ground(s groundSize) []kernels.Tensor {
	places := s.height * s.width
	in := kernels.Masks{
		Pixels: b.random(s.images, places, s.channels), Texts: b.random(s.texts, s.channels), Scale: b.random(), Bias: b.random(),
		Noise: b.dev.Alloc(kernels.Float32, s.images, places), First: s.first, Height: s.height, Width: s.width, Tau: 1,
	}
	noise := make([]float32, in.Noise.Len())
	for i := range noise {
		noise[i] = 0.01 + 0.98*b.rng.Float32()
	}
	b.dev.Upload(in.Noise, noise)
	r := kernels.MaskResults{
		Scores: b.random(s.images, s.texts), Hard: b.random(s.images, places), Soft: b.random(s.images, places),
		Sums: b.dev.Alloc(kernels.Float64, 3),
	}
	b.dev.GroundMasks(r, in)
	g := kernels.MaskGrads{
		Scores: b.random(s.images, s.texts), Hard: b.random(s.images, places), AreaPos: 0.3, AreaNeg: -0.1,
	}
	dpixels, dscale, dbias := b.random(s.images, places, s.channels), b.random(), b.random()
	b.dev.GroundMasksBackward(dpixels, dscale, dbias, g, r, in)
	return []kernels.Tensor{r.Scores, r.Hard, r.Soft, dpixels, dscale, dbias}
}
