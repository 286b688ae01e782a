package cliptrain

import (
	"context"
	"fmt"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/tcl"
)

// earlyStep is the step whose digest goes into the file: few enough to be run again as a check.
const earlyStep = 50

// Progress is what a training says after each step.
type Progress struct {
	Step                              int // steps done
	Class, Patches, Concepts, Total   float64
	Scale, GradientNorm, LearningRate float64
	Measured                          *Measures // when the recipe asks for it at this step
}

// Result is a trained CLIP.
type Result struct {
	Config      tcl.Config
	Weights     tcl.Weights // tcl.PretrainParameters
	Step        int
	Digest      string // tcl.ParamsSHA256 of the weights in the order of tcl.PretrainParameters
	EarlyDigest string // the same after 50 steps; empty where there were fewer
	Measured    *Measures
}

// Train starts from Start and takes steps steps of the recipe, whose schedule does not change with them. progress, which
// may be nil, hears of every step.
func Train(ctx context.Context, dev kernels.Device, r *Recipe, set *Set, tokenizer *dataset.Tokenizer, steps int, progress func(Progress)) (*Result, error) {
	weights, err := Start(dev, r, set, tokenizer)
	if err != nil {
		return nil, err
	}
	cfg := r.Config(tokenizer.Size())
	p, err := tcl.NewPretrainer(dev, cfg, weights, r.pretrainOptions())
	if err != nil {
		return nil, err
	}
	defer p.Close()
	held, err := drawHeld(r, tokenizer)
	if err != nil {
		return nil, err
	}
	out := &Result{Config: cfg}
	batches := ahead(newMaker(r, set, tokenizer), steps)
	defer batches.stop()
	for step := range steps {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("pre-training stopped after %d steps: %w", step, err)
		}
		b, err := batches.next()
		if err != nil {
			return nil, fmt.Errorf("batch of step %d: %w", step, err)
		}
		said, err := takeStep(p, r, b, step)
		if err != nil {
			return nil, err
		}
		if err := out.look(p, r, step+1, steps, held, &said); err != nil {
			return nil, err
		}
		if progress != nil {
			progress(said)
		}
	}
	return out, nil
}

func takeStep(p *tcl.Pretrainer, r *Recipe, b *batch, step int) (Progress, error) {
	features, err := p.Forward(b.images, b.tokens)
	if err != nil {
		return Progress{}, err
	}
	l, gradients := contrast(features, b, r.Loss, r.Vision.Embed)
	p.Backward(gradients)
	rate := r.schedule().Rates(step).Rate
	norm, err := p.Apply(rate, step+1)
	return Progress{Step: step + 1, Class: l.class, Patches: l.patches, Concepts: l.concepts, Total: l.total,
		Scale: scaleOf(features), GradientNorm: norm, LearningRate: rate}, err
}

// look takes digests and measures where it is time.
func (out *Result) look(p *tcl.Pretrainer, r *Recipe, done, steps int, held *held, said *Progress) (err error) {
	every := r.Evaluation.Every
	if held != nil && (done == steps || every > 0 && done%every == 0) {
		if said.Measured, err = held.measure(p, r); err != nil {
			return err
		}
		out.Measured = said.Measured
	}
	if done != earlyStep && done != steps {
		return nil
	}
	if out.Weights, err = p.Weights(); err != nil {
		return err
	}
	out.Step, out.Digest = done, tcl.ParamsSHA256(out.Weights.Flat(tcl.PretrainParameters(out.Config)))
	if done == earlyStep {
		out.EarlyDigest = out.Digest
	}
	return nil
}

// queue makes batches one step ahead of their use.
type queue struct {
	batches chan made
	quit    chan struct{}
}

type made struct {
	batch *batch
	err   error
}

// ahead starts the one goroutine of a training; stop ends it.
func ahead(m *maker, steps int) *queue {
	q := &queue{make(chan made, 1), make(chan struct{})}
	go func() {
		defer close(q.batches)
		for step := range steps {
			b, err := m.batch(step)
			select {
			case q.batches <- made{b, err}:
			case <-q.quit:
				return
			}
		}
	}()
	return q
}

func (q *queue) next() (*batch, error) {
	m := <-q.batches
	return m.batch, m.err
}

// stop waits until the goroutine has ended.
func (q *queue) stop() {
	close(q.quit)
	for range q.batches {
	}
}
