package tcl

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/kernels"
)

// Batch is what a lane puts into a step besides its captions. The slices must stay as they are until the pass is released.
type Batch struct {
	Lane   int
	Images *tensor.Dense // float32 [B, 3, S, S], normalised
	Noise  []float32     // [B, P], uniforms of the positive pairs' hard masks
}

// Pass is a lane's way through the model, between Forward and Release.
type Pass struct {
	model *Model
	batch Batch
	texts []float32

	kept    *activations // nil when another pass has taken the memory over
	result  kernels.Tensor
	columns []float64 // of this lane; nil before Columns
	means   maskMeans
}

// maskMeans are the mask terms of a lane before weighting.
type maskMeans struct {
	positive, negative float64 // mean soft mask of the positive and of the negative pairs
	tvMask, tvImage    float64
}

// Forward enqueues a lane's forward pass. texts [N, E] are the embeddings of all lanes in lane order; like the batch they
// must stay as they are until Release.
func (m *Model) Forward(b Batch, texts []float32) (*Pass, error) {
	if err := m.checkBatch(b, texts); err != nil {
		return nil, err
	}
	p := &Pass{model: m, batch: b, texts: texts, result: m.training.takeResult()}
	m.compute(p)
	return p, nil
}

func (m *Model) checkBatch(b Batch, texts []float32) error {
	t := m.training
	if t == nil {
		return fmt.Errorf("forward pass: the model was made without a micro-batch")
	}
	side := m.cfg.Vision.Image
	if _, err := dense.Values[float32](b.Images, t.batch, 3, side, side); err != nil {
		return fmt.Errorf("forward pass of lane %d: images: %w: loader and model must be of one micro-batch and image size", b.Lane, err)
	}
	wants := []struct {
		what       string
		have, want int
	}{
		{"noise", len(b.Noise), t.batch * m.cfg.Positions()},
		{"text embeddings", len(texts), t.global * m.cfg.Vision.Embed},
	}
	for _, w := range wants {
		if w.have != w.want {
			return fmt.Errorf("forward pass of lane %d: %d values of %s, but the model wants %d", b.Lane, w.have, w.what, w.want)
		}
	}
	if b.Lane < 0 || b.Lane >= t.global/t.batch {
		return fmt.Errorf("forward pass: lane %d, but there are lanes 0 to %d", b.Lane, t.global/t.batch-1)
	}
	return nil
}

// compute enqueues everything from images to scores into a set of activations that p owns from now on.
func (m *Model) compute(p *Pass) {
	a := m.training.claim(p)
	p.kept = a
	m.dev.Upload(a.images, dense.Floats(p.batch.Images))
	m.dev.Upload(a.noise, p.batch.Noise)
	m.dev.Upload(a.texts, p.texts)
	m.embedPixels(a)
	m.groundMasks(p)
	m.embedMasked(a)
	m.sumColumns(p)
}

// embedPixels makes v from the images (tcl-spec sections 2.1 to 2.5).
func (m *Model) embedPixels(a *activations) {
	t := m.training
	m.image.trunk(m.dev, a.trunk, a.images, m.image.position, t.tokens, t.trunk, m.image.attention(t.batch, m.cfg.tokens()))
	m.dev.GatherRows(a.rows, a.trunk, t.patchRows)
	m.ground.block.valueOnly(m.dev, a.decoder.x.Reshape(a.rows.Shape...), a.rows, a.masker)
	m.ground.decoder.forward(m.dev, a.decoder)
	m.ground.projection.forward(m.dev, a.decoder.out().Reshape(a.pixels.normed.Shape...), a.pixels)
}

// groundMasks makes hard masks, the feature-level scores and the mask terms (sections 2.6, 2.7, 3).
func (m *Model) groundMasks(p *Pass) {
	a := p.kept
	m.dev.GroundMasks(m.maskResults(p), m.masks(p))
	m.dev.TotalVariation(p.tvImage(), m.pixelMap(a))
}

func (m *Model) masks(p *Pass) kernels.Masks {
	a, side := p.kept, m.cfg.MaskSide()
	return kernels.Masks{
		Pixels: a.pixels.out.Reshape(m.training.batch, side*side, m.cfg.Vision.Embed), Texts: a.texts, Scale: m.ground.scale, Bias: m.ground.bias,
		Noise: a.noise, First: p.batch.Lane * m.training.batch, Height: side, Width: side, Tau: float32(m.method.Tau),
	}
}

func (m *Model) maskResults(p *Pass) kernels.MaskResults {
	a := p.kept
	return kernels.MaskResults{Scores: a.scoresF, Hard: a.hard, Soft: a.soft, Sums: p.sums()}
}

// pixelMap is v as a map [B, side, side, E].
func (m *Model) pixelMap(a *activations) kernels.Tensor {
	side := m.cfg.MaskSide()
	return a.pixels.out.Reshape(m.training.batch, side, side, m.cfg.Vision.Embed)
}

// embedMasked sends the masked images through frozen CLIP and scores them against all texts.
func (m *Model) embedMasked(a *activations) {
	t, side := m.training, m.cfg.MaskSide()
	m.dev.MaskImages(t.masked, a.images, a.hard, side, side)
	m.image.classEmbedding(m.dev, t.masked, t.classes, a.tower)
	m.dev.CosineScores(a.scoresV, a.tower.end.out, a.texts)
}

// sumColumns sums what the column softmaxes of both matrices need from this lane.
func (m *Model) sumColumns(p *Pass) {
	n := m.training.global
	m.dev.ExpColumns(p.result.View(0, n), p.kept.scoresV, m.ground.scaleV)
	m.dev.ExpColumns(p.result.View(n, n), p.kept.scoresF, m.ground.scaleF)
}

// A result holds 2N column sums, the three sums of MaskResults, and the total variation of v.
func (p *Pass) sums() kernels.Tensor    { return p.result.View(2*p.model.training.global, 3) }
func (p *Pass) tvImage() kernels.Tensor { return p.result.View(2*p.model.training.global+3, 1) }

// Columns waits for the pass and returns this lane's [2N] column sums: N of S_v, then N of S_f. To be summed over lanes.
func (p *Pass) Columns() ([]float64, error) {
	if p.columns != nil {
		return p.columns, nil
	}
	host := make([]float64, p.result.Len())
	if err := p.model.dev.Download(host, p.result); err != nil {
		return nil, fmt.Errorf("column sums of lane %d: %w", p.batch.Lane, err)
	}
	columns, rest := host[:len(host)-4], host[len(host)-4:]
	p.columns = columns
	p.means = maskMeans{positive: rest[0], negative: rest[1], tvMask: rest[2], tvImage: rest[3]}
	return columns, nil
}

// Release gives a pass's memory back; the pass is dead. Releasing it again does nothing.
func (m *Model) Release(p *Pass) {
	if p.model == nil {
		return
	}
	if p.kept != nil {
		p.kept.owner = nil
	}
	m.training.results = append(m.training.results, p.result)
	*p = Pass{}
}
