package tcl

import (
	"math"
	"strings"
	"testing"

	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/devices"
)

// micro is the smallest model that has every part: 2x2 patches, 2 blocks, 8x8 masks.
var micro = Config{
	Vision: Vision{Image: 8, Patch: 4, Width: 8, Layers: 2, Heads: 2, Embed: 6},
	Text:   Text{Context: 6, Vocab: 16, Width: 8, Layers: 2, Heads: 2},
}

// draws hands out test numbers, a pure function of the seed and the order of the calls.
type draws struct {
	key  philox.Key
	call uint32
}

func newDraws(t testing.TB, seed uint64) *draws {
	t.Helper()
	t.Logf("seed %d", seed)
	return &draws{key: philox.NewKey(seed, philox.Test)}
}

// around returns n values in (center-halfwidth, center+halfwidth).
func (d *draws) around(n int, center, halfwidth float64) []float32 {
	d.call++
	values := make([]float32, n)
	d.key.Uniforms(values, d.call, 0)
	for i, u := range values {
		values[i] = float32(center + halfwidth*(2*float64(u)-1))
	}
	return values
}

// weights draws what keeps activations and gradients of order one.
func (d *draws) weights(list []Parameter) Weights {
	w := Weights{}
	for _, p := range list {
		w[p.Name] = dense.Of(d.weight(p), p.Shape...)
	}
	return w
}

func (d *draws) weight(p Parameter) []float32 {
	switch {
	case strings.HasSuffix(p.Name, "logit_scale"):
		return d.around(1, 1.5, 0.3)
	case p.Name == simPrefix+"w":
		return d.around(1, 6, 1)
	case p.Name == simPrefix+"b", strings.HasSuffix(p.Name, "gate.gate"):
		return d.around(1, 0, 1)
	case len(p.Shape) == 1 && strings.HasSuffix(p.Name, "weight"): // layer norms
		return d.around(p.Len(), 1, 0.2)
	case len(p.Shape) == 1:
		return d.around(p.Len(), 0, 0.1)
	}
	fanIn := p.Len() / p.Shape[0]
	return d.around(p.Len(), 0, math.Sqrt(3/float64(fanIn)))
}

// scene is a micro model with the inputs of a step.
type scene struct {
	cfg          Config
	clip, ground Weights
	batches      []Batch
	tokens       [][][]int32 // lane, caption, token
	texts        []float32
}

const (
	microBatch = 2
	microLanes = 3
	microPairs = microBatch * microLanes
)

func newScene(t testing.TB, seed uint64) *scene {
	t.Helper()
	d := newDraws(t, seed)
	s := &scene{cfg: micro, clip: d.weights(CLIPParameters(micro)), ground: d.weights(Trainables(micro))}
	for lane := range microLanes {
		side := micro.Vision.Image
		s.batches = append(s.batches, Batch{
			Lane: lane, Images: dense.Of(d.around(microBatch*3*side*side, 0, 2), microBatch, 3, side, side), Noise: d.around(microBatch*micro.Positions(), 0.5, 0.499)})
		s.tokens = append(s.tokens, d.captions(microBatch))
	}
	return s
}

// captions draws captions of 1 to 4 words between start and end token.
func (d *draws) captions(n int) [][]int32 {
	var list [][]int32
	for _, u := range d.around(n, 0.5, 0.5) {
		caption := make([]int32, micro.Text.Context)
		caption[0] = 14
		words := 1 + int(4*u)
		for i, w := range d.around(words, 0.5, 0.5) {
			caption[1+i] = 1 + int32(12*w)
		}
		caption[1+words] = 15
		list = append(list, caption)
	}
	return list
}

func (s *scene) model(t testing.TB, dev kernels.Device, keep int) *Model {
	t.Helper()
	return s.modelOf(t, dev, PaperMethod(), keep)
}

// modelOf returns a model that keeps so many passes.
func (s *scene) modelOf(t testing.TB, dev kernels.Device, method Method, keep int) *Model {
	t.Helper()
	const passBytes = 40_000 // a little more than one pass of the micro model takes
	m, err := NewModel(dev, s.cfg, method, s.clip, s.ground, ModelOptions{
		MicroBatch: microBatch, GlobalBatch: microPairs, KeepBytes: int64(keep) * passBytes, Optimiser: PaperOptimiser()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	s.texts = nil
	for _, tokens := range s.tokens {
		s.texts = append(s.texts, must(t)(m.EmbedTexts(tokens))...)
	}
	return m
}

// must fails the test on an error and passes values on otherwise.
func must(t testing.TB) func([]float32, error) []float32 {
	return func(values []float32, err error) []float32 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
}

// step is what all lanes of one step make.
type step struct {
	columns [][]float64 // by lane
	sum     []float64   // of the columns
	grads   [][]float32 // by lane
	losses  []Losses    // by lane
}

// total returns the step's whole loss.
func (s step) total() float64 {
	var sum float64
	for _, l := range s.losses {
		sum += l[Total]
	}
	return sum
}

// run takes all lanes through the model in the given order.
func (s *scene) run(t testing.TB, m *Model, phase int, order ...int) step {
	t.Helper()
	out := step{columns: make([][]float64, microLanes), grads: make([][]float32, microLanes), losses: make([]Losses, microLanes), sum: make([]float64, 2*microPairs)}
	passes := map[int]*Pass{}
	for _, lane := range order {
		pass, err := m.Forward(s.batches[lane], s.texts)
		if err != nil {
			t.Fatal(err)
		}
		passes[lane] = pass
		if out.columns[lane], err = pass.Columns(); err != nil {
			t.Fatal(err)
		}
	}
	for lane := range microLanes {
		for i, c := range out.columns[lane] {
			out.sum[i] += c
		}
	}
	for _, lane := range order {
		out.grads[lane] = make([]float32, m.GradientLen(phase))
		var err error
		if out.losses[lane], err = m.Backward(passes[lane], out.sum, phase, out.grads[lane], nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, lane := range order {
		m.Release(passes[lane])
	}
	return out
}

// open opens a device for the length of the test, with so many threads.
func open(t testing.TB, name string, threads int) kernels.Device {
	t.Helper()
	dev, err := devices.Open(name, threads)
	if err != nil {
		t.Skipf("no device %s here: %v", name, err)
	}
	t.Cleanup(func() { dev.Close() })
	return dev
}

// fastest is for tests that hold on every device.
func fastest(t testing.TB) kernels.Device { return open(t, "auto", 2) }
