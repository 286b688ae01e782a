package worker

import (
	"context"
	"fmt"
	"slices"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/tcl"
)

// Solo computes whole steps in one process, without a bus, a coordinator or a lease: every lane in turn, summed along the
// same tree. What a run of many workers came to must equal what Solo comes to, bit for bit; prove relies on it.
type Solo struct {
	Model    *tcl.Model
	Loader   *dataset.Loader
	Schedule tcl.Schedule
	Seed     uint64
	Lanes    int
	NoiseLen int // uniforms of one lane, B*P

	columns   accumulator[float64]
	gradients accumulator[float32]
}

// Step computes and applies one step, and returns the summed loss terms and the gradient's norm.
func (s *Solo) Step(ctx context.Context, step int) (losses []float64, norm float64, err error) {
	lanes := make([]int, s.Lanes)
	for k := range lanes {
		lanes[k] = k
	}
	s.Loader.Prefetch(step, lanes)
	texts, err := s.texts(ctx, step)
	if err != nil {
		return nil, 0, err
	}
	passes, columns, err := s.forward(ctx, step, texts)
	if err != nil {
		return nil, 0, err
	}
	sum, err := s.backward(step, passes, columns)
	if err != nil {
		return nil, 0, err
	}
	applied, err := s.Model.Apply(sum.values, s.Schedule.Phase(step), s.Schedule.Rates(step))
	s.gradients.spare = append(s.gradients.spare, sum.values)
	return sum.tail, applied.GradNorm, err
}

func (s *Solo) texts(ctx context.Context, step int) ([]float32, error) {
	var texts []float32
	for lane := range s.Lanes {
		tokens, err := s.Loader.Tokens(ctx, step, lane)
		if err != nil {
			return nil, fmt.Errorf("step %d, captions of lane %d: %w", step, lane, err)
		}
		part, err := s.Model.EmbedTexts(tokens)
		if err != nil {
			return nil, fmt.Errorf("step %d, captions of lane %d: %w", step, lane, err)
		}
		texts = append(texts, part...)
	}
	return texts, nil
}

func (s *Solo) forward(ctx context.Context, step int, texts []float32) ([]*tcl.Pass, []float64, error) {
	s.columns.lanes = s.Lanes
	var passes []*tcl.Pass
	for lane := range s.Lanes {
		batch, err := s.Loader.Batch(ctx, step, lane)
		if err != nil {
			return nil, nil, fmt.Errorf("step %d, lane %d: %w", step, lane, err)
		}
		noise := make([]float32, s.NoiseLen)
		philox.NewKey(s.Seed, philox.Gumbel).Uniforms(noise, uint32(step), uint32(lane))
		pass, err := s.Model.Forward(tcl.Batch{Lane: lane, Images: batch.Images, Noise: noise}, texts)
		if err != nil {
			return nil, nil, fmt.Errorf("step %d, lane %d: %w", step, lane, err)
		}
		columns, err := pass.Columns()
		if err != nil {
			return nil, nil, fmt.Errorf("step %d, lane %d: %w", step, lane, err)
		}
		passes = append(passes, pass)
		s.columns.push(partial[float64]{node: proto.Node{Lo: lane, Hi: lane + 1}, values: slices.Clone(columns)})
	}
	return passes, s.columns.take().values, nil
}

func (s *Solo) backward(step int, passes []*tcl.Pass, columns []float64) (partial[float32], error) {
	s.gradients.lanes = s.Lanes
	phase := s.Schedule.Phase(step)
	for lane, pass := range passes {
		grads := s.gradients.buffer(s.Model.GradientLen(phase))
		losses, err := s.Model.Backward(pass, columns, phase, grads, nil)
		if err != nil {
			return partial[float32]{}, fmt.Errorf("step %d, lane %d: %w", step, lane, err)
		}
		s.Model.Release(pass)
		s.gradients.push(partial[float32]{node: proto.Node{Lo: lane, Hi: lane + 1}, values: grads, tail: losses[:]})
	}
	return s.gradients.take(), nil
}
