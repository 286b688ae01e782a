package tcl

import (
	"fmt"
	"math"

	"github.com/textground/textground/kernels"
)

// Losses are one lane's share of the loss terms, so that their sum over lanes is the step's: the InfoNCE shares are 1/N
// of the batch's sums, area and total variation 1/V of the lane's. Only Total is weighted.
type Losses [8]float64

// The places in Losses; the last is spare and 0.
const (
	TCLImage = iota
	TCLFeature
	AreaPositive
	AreaNegative
	TVImage
	TVMask
	Total
)

// LossNames are the golden files' and the metrics' names of the places.
var LossNames = [...]string{"tcl_v", "tcl_f", "area_pos", "area_neg", "tv_img", "tv_mask", "total"}

// Backward computes the gradient of the lane's share of the total loss into grads (flat, name order, GradientLen(phase)
// values), given the column sums of all lanes. It enqueues the whole backward pass, waits once, and calls ready(lo, hi)
// whenever grads[lo:hi] is final: last parameters first, everything once. ready may be nil.
func (m *Model) Backward(p *Pass, columns []float64, phase int, grads []float32, ready func(lo, hi int)) (Losses, error) {
	if len(columns) != 2*m.training.global || len(grads) != m.GradientLen(phase) {
		return Losses{}, fmt.Errorf("backward pass of lane %d: %d column sums and room for %d gradients, but phase %d wants %d and %d",
			p.batch.Lane, len(columns), len(grads), phase, 2*m.training.global, m.GradientLen(phase))
	}
	if _, err := p.Columns(); err != nil { // the means decide signs
		return Losses{}, err
	}
	if p.kept == nil {
		m.compute(p)
	}
	t := m.training
	m.dev.Upload(t.backward.columns, columns)
	m.dev.Zero(t.grads.View(m.layout.offset(phase), len(grads)))
	m.backScores(p)
	m.backMasks(p)
	m.backPixels(p.kept, phase)
	return m.collect(p, phase, grads, ready)
}

// backScores goes from both InfoNCE losses to the gradients of the scores and logit scales.
func (m *Model) backScores(p *Pass) {
	t, n := m.training, m.training.global
	s, first, weight := t.backward, p.batch.Lane*t.batch, float32(m.method.Loss.TCL)
	m.dev.InfoNCE(s.losses.View(0, 1), s.dscoresV, t.gradients.scaleV, p.kept.scoresV, m.ground.scaleV, s.columns.View(0, n), first, weight)
	m.dev.InfoNCE(s.losses.View(1, 1), s.dscoresF, t.gradients.scaleF, p.kept.scoresF, m.ground.scaleF, s.columns.View(n, n), first, weight)
}

// backMasks goes from the scores through frozen CLIP and the masks to the pixel embeddings.
func (m *Model) backMasks(p *Pass) {
	t, a, s, side := m.training, p.kept, m.training.backward, m.cfg.MaskSide()
	m.dev.CosineScoresBackward(s.tower.dembed, s.dscoresV, a.scoresV, a.tower.end.out, a.texts)
	m.image.imageGradient(m.dev, s.dimages, t.classes, a.tower, s.tower)
	m.dev.MaskImagesBackward(s.dhard, s.dimages, a.images, side, side)

	in := m.masks(p)
	m.dev.GroundMasksBackward(s.dpixels.Reshape(in.Pixels.Shape...), t.gradients.scale, t.gradients.bias, m.maskGrads(p), m.maskResults(p), in)
	m.dev.TotalVariationBackward(s.dpixels.Reshape(m.pixelMap(a).Shape...), m.pixelMap(a), float32(m.method.Loss.TV/m.lanes()))
}

// maskGrads are the gradients of the mask terms, weighted 1/V like the terms themselves.
func (m *Model) maskGrads(p *Pass) kernels.MaskGrads {
	t, l := m.training, m.method.Loss
	b, n, side, positions := float64(t.batch), float64(t.global), float64(m.cfg.MaskSide()), float64(m.cfg.Positions())
	area, tv := l.Area/m.lanes(), l.TV/m.lanes()
	g := kernels.MaskGrads{
		Scores: t.backward.dscoresF, Hard: t.backward.dhard,
		AreaPos: float32(area * sign(p.means.positive-l.Prior) / (b * positions)),
		TVX:     float32(tv / (b * n * side * (side - 1))), TVY: float32(tv / (b * n * side * (side - 1))),
	}
	if n > 1 {
		g.AreaNeg = float32(area * sign(p.means.negative-l.PriorNeg) / (b * (n - 1) * positions))
	}
	return g
}

// lanes returns V.
func (m *Model) lanes() float64 { return float64(m.training.global / m.training.batch) }

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

// backPixels goes from the pixel embeddings to the parameters before them.
func (m *Model) backPixels(a *activations, phase int) {
	t, s := m.training, m.training.backward
	x := a.decoder.out().Reshape(a.pixels.normed.Shape...)
	m.ground.projection.backward(m.dev, s.decoder.large, s.dpixels, x, a.pixels, &t.gradients.projection, s.decoder.activation)
	dx := m.ground.decoder.backward(m.dev, a.decoder, &t.gradients.decoder, s.decoder)
	if phase == 2 {
		m.ground.block.valueOnlyWeightGradients(m.dev, dx.Reshape(a.rows.Shape...), a.rows, a.masker, &t.gradients.block, s.tower.scratch)
	}
}

// collect waits for the backward pass and fetches its results.
func (m *Model) collect(p *Pass, phase int, grads []float32, ready func(lo, hi int)) (Losses, error) {
	t, lane := m.training, p.batch.Lane
	var infoNCE [2]float64
	if err := m.dev.Download(infoNCE[:], t.backward.losses); err != nil {
		return Losses{}, fmt.Errorf("losses of lane %d: %w", lane, err)
	}
	offset, hi := m.layout.offset(phase), m.layout.len
	for _, lo := range m.layout.groups(phase) {
		if err := m.dev.Download(grads[lo-offset:hi-offset], t.grads.View(lo, hi-lo)); err != nil {
			return Losses{}, fmt.Errorf("gradient of lane %d: %w", lane, err)
		}
		if ready != nil {
			ready(lo-offset, hi-offset)
		}
		hi = lo
	}
	return m.shares(infoNCE, p.means), nil
}

// shares puts the lane's loss terms together (tcl-spec section 3).
func (m *Model) shares(infoNCE [2]float64, means maskMeans) Losses {
	l, v := m.method.Loss, m.lanes()
	terms := Losses{
		TCLImage: infoNCE[0], TCLFeature: infoNCE[1],
		AreaPositive: math.Abs(means.positive-l.Prior) / v,
		TVImage:      means.tvImage / v, TVMask: means.tvMask / v,
	}
	if m.training.global > 1 {
		terms[AreaNegative] = math.Abs(means.negative-l.PriorNeg) / v
	}
	terms[Total] = l.TCL*(terms[TCLImage]+terms[TCLFeature]) + l.Area*(terms[AreaPositive]+terms[AreaNegative]) + l.TV*(terms[TVImage]+terms[TVMask])
	return terms
}
