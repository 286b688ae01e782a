package tcl

import (
	"fmt"
	"math"
	"strings"

	"github.com/textground/textground/kernels"
)

// Optimiser holds AdamW's numbers that stay the same all run long. The last three multiply the rate of a group.
type Optimiser struct {
	Beta1, Beta2, Epsilon float64
	WeightDecay           float64 // on everything except 1-d tensors; scalars do decay, as in the reference
	Clip                  float64 // largest norm of the whole gradient
	Gates                 float64 // multiplier of the decoder's gates
	Sim                   float64 // multiplier of w and b
	Block                 float64 // multiplier of the masker block
}

// PaperOptimiser returns the released configuration (tcl-spec section 6).
func PaperOptimiser() Optimiser {
	return Optimiser{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-6, WeightDecay: 0.05, Clip: 5, Gates: 1, Sim: 1, Block: 1}
}

// run is a stretch of the flat vector that is updated with the same numbers.
type run struct {
	lo, hi     int
	decay      float64
	multiplier float64
	block      bool
}

// runs cuts the vector of a phase where the numbers change.
func (o Optimiser) runs(l layout, phase int) []run {
	var list []run
	at := 0
	for _, p := range l.list {
		next := o.settings(p)
		next.block = at < l.block
		next.lo, next.hi = at, at+p.Len()
		at = next.hi
		if next.block && phase == 1 {
			continue
		}
		if n := len(list); n > 0 && list[n-1].joins(next) {
			list[n-1].hi = next.hi
			continue
		}
		list = append(list, next)
	}
	return list
}

func (r run) joins(next run) bool {
	return r.decay == next.decay && r.multiplier == next.multiplier && r.block == next.block
}

// settings says how a parameter is updated.
func (o Optimiser) settings(p Parameter) run {
	r := run{multiplier: 1}
	switch {
	case strings.HasPrefix(p.Name, simPrefix):
		r.multiplier = o.Sim
	case strings.HasSuffix(p.Name, "gate.gate"):
		r.multiplier = o.Gates
	case strings.HasPrefix(p.Name, "masker.image_encoder.backbone."):
		r.multiplier = o.Block
	}
	if len(p.Shape) != 1 {
		r.decay = o.WeightDecay
	}
	return r
}

// Applied is what an update came to.
type Applied struct {
	GradNorm float64 // of the reduced gradient, before clipping
	Digest   string  // of the parameters after it, as Model.Digest gives it
	Gauges   Gauges  // after it
}

// Apply updates the parameters from the gradient summed over all lanes. Every worker that applies the same bits holds the
// same bits after. It enqueues everything, the digest included, and waits once.
//
// So a gradient that is not finite is found only after it has done its harm: the error says so, and whoever gets it ends or
// calls SetState. Workers never come here with one, as each lane's gradient and the sum are looked through on their way.
func (m *Model) Apply(reduced []float32, phase int, r Rates) (Applied, error) {
	t := m.training
	if len(reduced) != m.GradientLen(phase) {
		return Applied{}, fmt.Errorf("update: %d gradients, but phase %d wants %d", len(reduced), phase, m.GradientLen(phase))
	}
	grads := t.grads.View(m.layout.offset(phase), len(reduced))
	m.dev.Upload(grads, reduced)
	m.dev.SquaredNorm(t.squared, grads)
	for _, run := range m.options.Optimiser.runs(m.layout, phase) {
		m.update(run, r)
	}
	m.dev.BlockDigests(m.blocks, m.params)
	return m.applied()
}

// applied waits for an update and reads what it came to; only the first read has anything to wait for.
func (m *Model) applied() (a Applied, err error) {
	var squared [1]float64
	if err := m.dev.Download(squared[:], m.training.squared); err != nil {
		return Applied{}, fmt.Errorf("gradient norm: %w", err)
	}
	a.GradNorm = math.Sqrt(squared[0])
	if math.IsNaN(a.GradNorm) || math.IsInf(a.GradNorm, 0) {
		return a, fmt.Errorf("update: the norm of the reduced gradient is %v, and the parameters are spoilt", a.GradNorm)
	}
	if a.Digest, err = m.readDigest(); err != nil {
		return a, err
	}
	a.Gauges, err = m.Gauges()
	return a, err
}

func (m *Model) update(u run, r Rates) {
	t, o := m.training, m.options.Optimiser
	count := r.Count
	if u.block {
		count = r.BlockCount
	}
	part := func(flat kernels.Tensor) kernels.Tensor { return flat.View(u.lo, u.hi-u.lo) }
	m.dev.AdamW(part(m.params), part(t.m1), part(t.m2), part(t.grads), t.squared, kernels.AdamW{
		Rate: r.Rate * u.multiplier, Beta1: o.Beta1, Beta2: o.Beta2, Epsilon: o.Epsilon, Decay: u.decay,
		Correction1: 1 - power(o.Beta1, count), Correction2: 1 - power(o.Beta2, count), MaxNorm: o.Clip,
	})
}

// power multiplies only, and its conversion keeps the caller's subtraction from being fused into the last product: so
// every machine gets the same bits.
func power(x float64, n int) float64 {
	y := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			y *= x
		}
		x *= x
	}
	return float64(y)
}
