package tcl

import (
	"math"
	"slices"
	"testing"

	"github.com/textground/textground/internal/dense"
)

// With noise close to 0 and 1 the hard masks hold still and their straight-through gradient, which is no derivative,
// vanishes. What is left of the loss is differentiable.
func saturate(noise []float32) {
	for i, u := range noise {
		if u < 0.5 {
			noise[i] = 1e-7
		} else {
			noise[i] = 1 - 1e-7
		}
	}
}

func TestGradientOfTheWholeLossAgreesWithFiniteDifferences(t *testing.T) {
	withEachActivation(t, micro, gradientOfTheWholeLoss)
}

// withEachActivation runs a test with both towers of a configuration having one activation, and then the other.
func withEachActivation(t *testing.T, cfg Config, test func(*testing.T, Config)) {
	for _, a := range []Activation{QuickGELU, GELU} {
		t.Run(a.String(), func(t *testing.T) { test(t, cfg.WithActivation(a)) })
	}
}

func gradientOfTheWholeLoss(t *testing.T, cfg Config) {
	s := newScene(t, 11)
	s.cfg = cfg
	for _, b := range s.batches {
		saturate(b.Noise)
	}
	method := PaperMethod()
	method.Loss.TCL, method.Loss.TV = 1, 0.3 // scores and their gradients must weigh something
	m := s.modelOf(t, open(t, "ref", 1), method, microLanes)
	grad := make([]float64, m.GradientLen(2))
	for _, lane := range s.run(t, m, 2, 0, 1, 2).grads {
		for i, g := range lane {
			grad[i] += float64(g)
		}
	}
	start := stateOf(t, m).Params
	d := newDraws(t, 12)
	for _, p := range Trainables(micro) {
		lo := m.layout.offsets[p.Name]
		own := grad[lo:][:p.Len()]
		direction := slanted(own, d.around(p.Len(), 0, 1))
		want, length := along(own, direction)
		got := slope(t, s, m, start, lo, direction, length)
		if math.Abs(got-want) > 2e-3+0.02*math.Abs(want) {
			t.Errorf("%s: slope %.6f, gradient says %.6f", p.Name, got, want)
		}
	}
}

// slanted is the middle between the gradient's direction, along which the loss changes most, and another.
func slanted(grad []float64, other []float32) []float64 {
	_, a := along(grad, grad)
	_, b := along(grad, widened(other))
	sum := make([]float64, len(grad))
	for i := range sum {
		sum[i] = grad[i]/max(a, 1e-30) + float64(other[i])/b
	}
	return sum
}

// along returns the slope that grad promises along the normalised direction, and the direction's length.
func along(grad, direction []float64) (slope, length float64) {
	for i, d := range direction {
		length += d * d
		slope += d * grad[i]
	}
	length = math.Sqrt(length)
	return slope / max(length, 1e-30), length
}

// slope returns the slope of the total loss along a direction of the parameters from lo on.
func slope(t *testing.T, s *scene, m *Model, params []float32, lo int, direction []float64, length float64) float64 {
	const reach = 2e-3
	loss := func(sign float64) float64 {
		moved := append([]float32(nil), params...)
		for i, d := range direction {
			moved[lo+i] += float32(sign * reach * d / max(length, 1e-30))
		}
		if err := m.SetParameters(moved); err != nil {
			t.Fatal(err)
		}
		return s.run(t, m, 1, 0, 1, 2).total()
	}
	return (loss(1) - loss(-1)) / (2 * reach)
}

func widened(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func TestGradientThroughFrozenCLIPAgreesWithFiniteDifferences(t *testing.T) {
	withEachActivation(t, micro, gradientThroughFrozenCLIP)
}

func gradientThroughFrozenCLIP(t *testing.T, cfg Config) {
	s := newScene(t, 21)
	s.cfg = cfg
	m := s.model(t, fastest(t), 1)
	d := newDraws(t, 22)
	set := m.training.claim(&Pass{})
	images := dense.Floats(s.batches[0].Images)
	weights := d.around(microBatch*micro.Vision.Embed, 0, 1)

	// The loss is a fixed mix of the embedding's values.
	loss := func(images []float32) float64 {
		m.dev.Upload(m.training.masked, images)
		m.image.classEmbedding(m.dev, m.training.masked, m.training.classes, set.tower)
		out := make([]float32, len(weights))
		if err := m.dev.Download(out, set.tower.end.out); err != nil {
			t.Fatal(err)
		}
		var sum float64
		for i, v := range out {
			sum += float64(v) * float64(weights[i])
		}
		return sum
	}
	loss(images)
	b := m.training.backward
	m.dev.Upload(b.tower.dembed, weights)
	m.image.imageGradient(m.dev, b.dimages, m.training.classes, set.tower, b.tower)
	grad := make([]float32, len(images))
	if err := m.dev.Download(grad, b.dimages); err != nil {
		t.Fatal(err)
	}

	const reach = 2e-3
	for range 8 {
		direction := d.around(len(images), 0, 1)
		want, length := along(widened(grad), widened(direction))
		moved := func(sign float64) []float32 {
			x := append([]float32(nil), images...)
			for i := range x {
				x[i] += float32(sign * reach * float64(direction[i]) / length)
			}
			return x
		}
		got := (loss(moved(1)) - loss(moved(-1))) / (2 * reach)
		if math.Abs(got-want) > 2e-3+0.01*math.Abs(want) {
			t.Errorf("slope %.6f, gradient says %.6f", got, want)
		}
	}
}

func TestTheGradientOfPhase1IsTheTailOfThatOfPhase2(t *testing.T) {
	s := newScene(t, 13)
	m := s.model(t, fastest(t), 1)
	first, second := s.run(t, m, 1, 1, 0, 2), s.run(t, m, 2, 1, 0, 2)
	for lane := range microLanes {
		if !slices.Equal(first.grads[lane], second.grads[lane][m.GradientOffset(1):]) {
			t.Errorf("lane %d differs", lane)
		}
	}
}

func TestAClampedLogitScaleHasNoGradient(t *testing.T) {
	s := newScene(t, 31)
	s.ground.Values(scaleImages)[0] = 5 // exp(5) > 100
	m := s.model(t, fastest(t), microLanes)
	got := s.run(t, m, 1, 0, 1, 2)
	at := m.layout.offsets[scaleImages] - m.GradientOffset(1)
	for lane, g := range got.grads {
		if g[at] != 0 {
			t.Errorf("lane %d: %v", lane, g[at])
		}
	}
}

func TestKeysAndQueriesOfTheMaskerBlockHaveNoGradient(t *testing.T) {
	s := newScene(t, 41)
	m := s.model(t, fastest(t), microLanes)
	got := s.run(t, m, 2, 0, 1, 2)
	d := micro.Vision.Width
	at := m.layout.offsets[maskerPrefix(micro)+"attn.in_proj_weight"]
	for i, g := range got.grads[0][at:][:2*d*d] {
		if g != 0 {
			t.Fatalf("value %d: %v", i, g)
		}
	}
}
