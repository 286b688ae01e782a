package golden

import (
	"fmt"
	"math"
	"strings"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/tcl"
)

// training is the replay of one training golden.
type training struct {
	metadata
	report *Report
	file   *safetensors.File
	bounds bounds
	hard   *hardReplay // nil where hard masks must be right
	model  *tcl.Model
	lanes  []lane
}

// keepBytes bounds the memory of a replay; lanes beyond it are computed twice.
const keepBytes = 2 << 30

func replayTraining(r *Report, f *safetensors.File, dev kernels.Device) error {
	m, err := readMetadata(f)
	if err != nil {
		return err
	}
	clip, ground, err := weights(f, m)
	if err != nil {
		return err
	}
	t := training{metadata: m, report: r, file: f, bounds: boundsOf(dev)}
	if kernels.RoundsToBFloat16(dev) {
		if t.hard, err = newHardReplay(dev, f); err != nil {
			return err
		}
		dev = t.hard
	}
	if t.lanes, err = lanes(f, m); err != nil {
		return err
	}
	t.model, err = tcl.NewModel(dev, m.Config, m.method(), clip, ground, tcl.ModelOptions{
		MicroBatch: m.MicroBatch, GlobalBatch: m.pairs(), KeepBytes: keepBytes, Optimiser: m.optimiser()})
	if err != nil {
		return err
	}
	defer t.model.Close()
	return t.replay()
}

// replay is one step and another, in the order of a run.
func (t *training) replay() error {
	texts, err := t.embedTexts()
	if err != nil {
		return err
	}
	passes, columns, err := t.forward(texts)
	if err != nil {
		return err
	}
	reduced, err := t.backward(passes, columns)
	if err != nil {
		return err
	}
	if err := t.update(1, reduced, "opt.grad_norm", "step."); err != nil {
		return err
	}
	for i := range reduced {
		reduced[i] *= -0.25
	}
	return t.update(2, reduced, "opt.grad_norm2", "step2.")
}

func (t *training) embedTexts() ([]float32, error) {
	var texts []float32
	for _, l := range t.lanes {
		embedded, err := t.model.EmbedTexts(l.tokens)
		if err != nil {
			return nil, err
		}
		texts = append(texts, embedded...)
	}
	return texts, t.compareActivation("t", texts)
}

// forward runs all lanes, compares what they made, and sums the columns.
func (t *training) forward(texts []float32) ([]*tcl.Pass, []float64, error) {
	columns := make([]float64, 2*t.pairs())
	var passes []*tcl.Pass
	made := map[string][]float32{}
	for _, l := range t.lanes {
		pass, err := t.model.Forward(l.Batch, texts)
		if err != nil {
			return nil, nil, err
		}
		passes = append(passes, pass)
		own, err := pass.Columns()
		if err != nil {
			return nil, nil, err
		}
		for i, c := range own {
			columns[i] += c
		}
		if err := t.inspect(pass, made); err != nil {
			return nil, nil, err
		}
	}
	return passes, columns, t.compareForward(made)
}

// activations lists the intermediate values in the order in which they are made; the texts come before.
var activations = []string{"x11", "dec", "v", "s", "m", "y", "f", "vg", "S_v", "S_f"}

// inspect reads what the file has of a pass.
func (t *training) inspect(p *tcl.Pass, made map[string][]float32) error {
	for _, name := range append([]string{"h"}, activations...) {
		if !t.file.Has("act." + name) {
			continue
		}
		values, err := p.Tensor(name)
		if err != nil {
			return err
		}
		made[name] = append(made[name], values...)
	}
	return nil
}

func (t *training) compareForward(made map[string][]float32) error {
	for _, name := range activations {
		if err := t.compareActivation(name, made[name]); err != nil {
			return err
		}
	}
	return t.compareHardMasks(made["h"])
}

func (t *training) compareActivation(name string, have []float32) error {
	return t.compare("act."+name, widen(have), func(e expectation, have []float64) error {
		off, err := t.bounds.off(e, have)
		t.report.add("activations", t.bounds.measure, Entry{"act." + name, off, t.bounds.activation})
		return err
	})
}

func (t *training) compareHardMasks(have []float32) error {
	if t.hard != nil {
		t.hard.report(t.report)
		return nil
	}
	return t.compareBits("act.h", have)
}

func (t *training) compareBits(name string, have []float32) error {
	if !t.file.Has(name) {
		return nil
	}
	want, err := t.file.Bytes(name)
	if err != nil {
		return err
	}
	if len(want) != len(have) {
		return fmt.Errorf("%s: the file has %d values, the model %d", name, len(want), len(have))
	}
	off := 0
	for i, bit := range want {
		if float32(bit) != have[i] {
			off++
		}
	}
	t.report.add("hard masks", bitsOff, Entry{name, float64(off), 0})
	return nil
}

// backward runs all lanes, sums their gradients, and compares gradients and losses.
func (t *training) backward(passes []*tcl.Pass, columns []float64) ([]float32, error) {
	var losses tcl.Losses
	grads := make([][]float32, len(passes))
	for k, pass := range passes {
		grads[k] = make([]float32, t.model.GradientLen(t.Phase))
		share, err := t.model.Backward(pass, columns, t.Phase, grads[k], nil)
		if err != nil {
			return nil, err
		}
		for i, v := range share {
			losses[i] += v
		}
		t.model.Release(pass)
	}
	if err := t.compareLosses(losses); err != nil {
		return nil, err
	}
	reduced := treeSum(grads)
	return reduced, t.compareGradients(reduced)
}

// treeSum adds lanes the way a run does: [0, n) splits at the largest power of two below n.
func treeSum(lanes [][]float32) []float32 {
	if len(lanes) == 1 {
		return lanes[0]
	}
	half := 1
	for 2*half < len(lanes) {
		half *= 2
	}
	left, right := treeSum(lanes[:half]), treeSum(lanes[half:])
	for i, v := range right {
		left[i] += v
	}
	return left
}

func (t *training) compareLosses(losses tcl.Losses) error {
	for i, name := range tcl.LossNames {
		err := t.compare("loss."+name, []float64{losses[i]}, func(e expectation, have []float64) error {
			off, err := e.relative(have)
			t.report.add("losses", relativeN, Entry{"loss." + name, off, t.bounds.loss})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *training) compareGradients(reduced []float32) error {
	return t.eachTrained(reduced, func(name string, have []float64) error {
		return t.compareGradient("grad."+name, have)
	})
}

func (t *training) compareGradient(name string, have []float64) error {
	return t.compare(name, have, func(e expectation, have []float64) (err error) {
		if strings.HasSuffix(name, gateSuffix) {
			if e.sisters, err = t.gates(); err != nil {
				return err
			}
		}
		off, err := t.bounds.off(e, have)
		bound := t.bounds.gradient
		if t.sampled() {
			bound = t.bounds.sampled
		}
		t.report.add("gradients", t.bounds.measure, Entry{name, off, bound})
		return err
	})
}

// gateSuffix ends the names of the decoder's gates.
const gateSuffix = ".gate.gate"

// gates returns the norm of all gates' gradients. A gate's gradient is a sum over a whole map; in the tiny files one of the four
// cancels to a thirtieth of its sisters, so that rounded operands leave it few digits of its own (docs/decisions/006).
func (t *training) gates() (float64, error) {
	var all []float64
	for _, p := range tcl.Trainables(t.Config) {
		if name := "grad." + p.Name; strings.HasSuffix(name, gateSuffix) && t.file.Has(name) {
			values, err := t.file.Float64s(name)
			if err != nil {
				return 0, err
			}
			all = append(all, values...)
		}
	}
	return norm(all), nil
}

// sampled tells whether the file holds samples of big tensors.
func (t *training) sampled() bool {
	for _, tensor := range t.file.Tensors {
		if strings.HasPrefix(tensor.Name, "idx.") {
			return true
		}
	}
	return false
}

// eachTrained cuts the tail of the flat vector that the phase trains into its parameters.
func (t *training) eachTrained(flat []float32, do func(name string, values []float64) error) error {
	flat = flat[len(flat)-t.model.GradientLen(t.Phase):]
	skip := t.model.GradientOffset(t.Phase)
	for _, p := range tcl.Trainables(t.Config) {
		if skip > 0 {
			skip -= p.Len()
			continue
		}
		if err := do(p.Name, widen(flat[:p.Len()])); err != nil {
			return err
		}
		flat = flat[p.Len():]
	}
	return nil
}

// update applies one gradient and compares norm and parameters.
func (t *training) update(count int, reduced []float32, normName, prefix string) error {
	rates := t.rates(count)
	if err := t.compareRate(count, rates.Rate); err != nil {
		return err
	}
	applied, err := t.model.Apply(reduced, t.Phase, rates)
	if err != nil {
		return err
	}
	if err := t.compareGradient(normName, []float64{applied.GradNorm}); err != nil {
		return err
	}
	state, err := t.model.State()
	if err != nil {
		return err
	}
	return t.eachTrained(state.Params, func(name string, have []float64) error {
		return t.compareStep(prefix+name, have, rates.Rate)
	})
}

// compareRate compares the schedule; opt.lr holds the rates of both updates.
func (t *training) compareRate(count int, rate float64) error {
	if !t.file.Has("opt.lr") {
		return nil
	}
	want, err := sized(t.file.Float64s, "opt.lr", 2)
	if err != nil {
		return err
	}
	off, err := expectation{values: want[count-1 : count]}.relative([]float64{rate})
	t.report.add("schedule", relativeN, Entry{fmt.Sprintf("opt.lr[%d]", count-1), off, rateBound})
	return err
}

func (t *training) compareStep(name string, have []float64, rate float64) error {
	return t.compare(name, have, func(e expectation, have []float64) error {
		diff, _, err := e.difference(have)
		if !math.IsInf(t.bounds.step, 1) {
			t.report.add("parameters", ofRate, Entry{name, diff / rate, t.bounds.step})
		}
		return err
	})
}

// compare hands what the file says about a tensor, if anything, to add.
func (t *training) compare(name string, have []float64, add func(expectation, []float64) error) error {
	if !t.file.Has(name) {
		return nil
	}
	e, err := expect(t.file, name)
	if err == nil {
		err = add(e, have)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
