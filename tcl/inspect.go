package tcl

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

// Tensor waits and returns an intermediate value of a pass whose activations are kept, in the shapes of the golden files:
// x11 [B, L, D], dec [B, D, h, w], v [B, E, h, w], t [N, E], s and m [B, N, P], y and h [B, P], vg [B, E], f [B, N, E], S_v
// and S_f [B, N]. It is for verification: s, m and f, which training never stores, are made here.
func (p *Pass) Tensor(name string) ([]float32, error) {
	if p.kept == nil {
		return nil, fmt.Errorf("%s of lane %d: the activations were not kept", name, p.batch.Lane)
	}
	values, err := p.tensor(name)
	if err != nil {
		return nil, fmt.Errorf("%s of lane %d: %w", name, p.batch.Lane, err)
	}
	return values, nil
}

func (p *Pass) tensor(name string) ([]float32, error) {
	a, batch := p.kept, p.model.training.batch
	switch name {
	case "x11":
		return p.download(a.trunk)
	case "dec":
		return p.channelsFirst(a.decoder.out(), batch)
	case "v":
		return p.channelsFirst(a.pixels.out, batch)
	case "t":
		return p.download(a.texts)
	case "y":
		return p.download(a.soft)
	case "h":
		return p.download(a.hard)
	case "vg":
		return p.download(a.tower.end.out)
	case "S_v":
		return p.download(a.scoresV)
	case "S_f":
		return p.download(a.scoresF)
	case "s":
		return p.similarities()
	case "m":
		return p.softMasks()
	case "f":
		return p.pooled()
	}
	return nil, fmt.Errorf("no such tensor")
}

func (p *Pass) download(t kernels.Tensor) ([]float32, error) {
	values := make([]float32, t.Len())
	return values, p.model.dev.Download(values, t)
}

// channelsFirst reads maps [B, h, w, C] as [B, C, h, w].
func (p *Pass) channelsFirst(t kernels.Tensor, batch int) ([]float32, error) {
	values, err := p.download(t)
	channels := t.Cols()
	positions := t.Len() / batch / channels
	out := make([]float32, 0, len(values))
	for b := range batch {
		out = append(out, transpose(values[b*positions*channels:(b+1)*positions*channels], positions, channels)...)
	}
	return out, err
}

func (p *Pass) similarities() ([]float32, error) {
	m := p.model
	in := m.masks(p)
	s := m.dev.Alloc(kernels.Float32, m.training.batch, m.training.global, m.cfg.Positions())
	defer m.dev.Free(s)
	m.dev.Similarity(s, in.Pixels, in.Texts)
	return p.download(s)
}

func (p *Pass) softMasks() ([]float32, error) {
	s, err := p.similarities()
	if err != nil {
		return nil, err
	}
	g, err := p.model.Gauges()
	softMasks(s, float32(g.Scale), float32(g.Bias))
	return s, err
}

// pooled computes f_ij = sum_p m_ijp v_ip / (sum_p m_ijp + 1e-6), tcl-spec section 3.
func (p *Pass) pooled() ([]float32, error) {
	masks, err := p.softMasks()
	if err != nil {
		return nil, err
	}
	v, err := p.download(p.kept.pixels.out)
	if err != nil {
		return nil, err
	}
	m := p.model
	n, positions, e := m.training.global, m.cfg.Positions(), m.cfg.Vision.Embed
	out := make([]float32, m.training.batch*n*e)
	sum := make([]float64, e)
	for pair := range m.training.batch * n {
		mass := 1e-6
		clear(sum)
		for q, mask := range masks[pair*positions : (pair+1)*positions] {
			mass += float64(mask)
			pixel := v[(pair/n*positions+q)*e:][:e]
			for c, x := range pixel {
				sum[c] += float64(mask) * float64(x)
			}
		}
		for c, x := range sum {
			out[pair*e+c] = float32(x / mass)
		}
	}
	return out, nil
}
