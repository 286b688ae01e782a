package tcl

import (
	"math"
	"strings"

	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/internal/philox"
)

// GrounderInit holds what the start of a grounder depends on besides CLIP.
type GrounderInit struct {
	Scale, Bias float64 // w and b of sim2mask: 10 and -2.5 in the release
	Seed        uint64
}

// InitialGrounder makes the trainable weights a run starts from: the masker block and the projection are copies of CLIP's
// last block and of its ln_post and proj; the convolutions are drawn as PyTorch draws them, uniform within 1/sqrt(fan-in);
// the gates are 0, so the decoder starts as a plain upsampler (tcl-spec section 2).
func InitialGrounder(cfg Config, clip Weights, init GrounderInit) Weights {
	w := Weights{}
	for i, p := range Trainables(cfg) {
		w[p.Name] = dense.Of(initialValues(cfg, clip, init, p, uint32(i)), p.Shape...)
	}
	return w
}

func initialValues(cfg Config, clip Weights, init GrounderInit, p Parameter, index uint32) []float32 {
	if tail, ok := strings.CutPrefix(p.Name, maskerPrefix(cfg)); ok {
		return append([]float32(nil), clip.Values(imageBlockPrefix(cfg.Vision.Layers-1)+tail)...)
	}
	values := make([]float32, p.Len())
	switch {
	case p.Name == projectionPrefix+"proj":
		copy(values, clip.Values("visual.proj"))
	case strings.HasPrefix(p.Name, projectionPrefix+"ln."):
		copy(values, clip.Values("visual.ln_post."+strings.TrimPrefix(p.Name, projectionPrefix+"ln.")))
	case strings.HasSuffix(p.Name, "norm.weight"):
		fill(values, 1)
	case strings.HasSuffix(p.Name, "conv.weight"), strings.HasSuffix(p.Name, "conv.bias"):
		drawUniform(values, init.Seed, index, 1/math.Sqrt(float64(9*cfg.Vision.Width)))
	case p.Name == simPrefix+"w":
		fill(values, float32(init.Scale))
	case p.Name == simPrefix+"b":
		fill(values, float32(init.Bias))
	case p.Name == scaleFeatures, p.Name == scaleImages:
		fill(values, float32(math.Log(1/0.07)))
	}
	return values
}

// drawUniform fills values with uniforms in (-bound, bound) of the stream that belongs to trainable tensor number index.
func drawUniform(values []float32, seed uint64, index uint32, bound float64) {
	philox.NewKey(seed, philox.Init).Uniforms(values, index, 0)
	for i, u := range values {
		values[i] = float32(bound * (2*float64(u) - 1))
	}
}

func fill(values []float32, v float32) {
	for i := range values {
		values[i] = v
	}
}
