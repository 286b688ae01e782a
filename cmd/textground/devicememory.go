package main

import (
	"fmt"
	"math"

	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/tcl"
)

// activationBytes is the memory for the activations of a worker's lanes; where it ends, passes are computed again.
const activationBytes = 2 << 30

// planMemory decides how much memory activations get, and takes the memory of the whole step at once where the device has
// memory of its own: a run that does not fit is refused before it begins, and nothing is allocated on the way.
func (a *assembly) planMemory(dev kernels.Device, initial tcl.Weights) (keepBytes int64, err error) {
	p, ok := dev.(devices.Planner)
	if !ok {
		return activationBytes, nil
	}
	available, need := p.Available(), int64(0)
	for _, choice := range []struct{ keepBytes, limit int64 }{
		{math.MaxInt64 / 2, available / 4 * 3}, // every pass, where that leaves room for an evaluation on the same card
		{activationBytes, available},
		{0, available}, // one pass
	} {
		if need, err = a.planStep(p, initial, a.file.MicroBatch, choice.keepBytes); err != nil {
			return 0, err
		}
		if need <= choice.limit && p.Reserve(need) == nil {
			return choice.keepBytes, nil
		}
	}
	return 0, a.tooLarge(p, initial, need, available)
}

// tooLarge says how much memory a step needs and which micro-batch would fit.
func (a *assembly) tooLarge(p devices.Planner, initial tcl.Weights, need, available int64) error {
	for batch := a.file.MicroBatch - 1; batch > 0; batch-- {
		if a.file.Batch%batch != 0 {
			continue
		}
		least, err := a.planStep(p, initial, batch, 0)
		if err != nil {
			return err
		}
		if least <= available {
			return badInput(fmt.Sprintf("a step with micro_batch %d needs %d MiB on %s, which has %d MiB free: micro_batch %d fits (another micro_batch is another run)",
				a.file.MicroBatch, need>>20, p.Name(), available>>20, batch))
		}
	}
	return badInput(fmt.Sprintf("a step with micro_batch %d needs %d MiB on %s, which has %d MiB free: no micro_batch fits", a.file.MicroBatch, need>>20, p.Name(), available>>20))
}

// planStep returns the bytes of device memory that a worker takes for whole steps, were it to compute all lanes.
func (a *assembly) planStep(p devices.Planner, initial tcl.Weights, microBatch int, keepBytes int64) (int64, error) {
	return p.Plan(func(dry kernels.Device) error {
		model, err := a.modelOn(dry, initial, microBatch, keepBytes)
		if err != nil {
			return err
		}
		defer model.Close()
		return dryStep(model, a.file.Batch, microBatch)
	})
}

// dryStep goes through a step of phase 2, which takes the most, with inputs of the right sizes and no meaning.
func dryStep(model *tcl.Model, pairs, microBatch int) error {
	config := model.Config()
	tokens := make([][]int32, microBatch)
	for i := range tokens {
		tokens[i] = make([]int32, config.Text.Context)
		tokens[i][config.Text.Context-1] = int32(config.Text.Vocab - 1) // the end token: nothing is cut off
	}
	if _, err := model.EmbedTexts(tokens); err != nil {
		return err
	}
	texts := make([]float32, pairs*config.Vision.Embed)
	side := config.Vision.Image
	images := dense.Of(make([]float32, microBatch*3*side*side), microBatch, 3, side, side)
	noise := make([]float32, microBatch*config.Positions())
	var passes []*tcl.Pass
	for lane := range pairs / microBatch {
		pass, err := model.Forward(tcl.Batch{Lane: lane, Images: images, Noise: noise}, texts)
		if err != nil {
			return err
		}
		passes = append(passes, pass)
	}
	gradient := make([]float32, model.GradientLen(2))
	for _, pass := range passes {
		if _, err := pass.Columns(); err != nil {
			return err
		}
		if _, err := model.Backward(pass, make([]float64, 2*pairs), 2, gradient, nil); err != nil {
			return err
		}
		model.Release(pass)
	}
	if _, err := model.Apply(gradient, 2, tcl.Rates{}); err != nil {
		return err
	}
	_, err := model.Digest()
	return err
}
