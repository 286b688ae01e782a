package tcl

import (
	"testing"

	"github.com/textground/textground/kernels"
)

// waitCounter counts how often the host waits for the device: reads that find work enqueued. A read behind another one
// costs a copy and no wait, so what is left of it here is nothing.
type waitCounter struct {
	kernels.Device
	busy  bool // something has been enqueued since the last wait
	waits int
}

func (w *waitCounter) wait() {
	if w.busy {
		w.busy, w.waits = false, w.waits+1
	}
}

func (w *waitCounter) Download(dst any, t kernels.Tensor) error {
	w.wait()
	return w.Device.Download(dst, t)
}

func (w *waitCounter) Sync() error {
	w.wait()
	return w.Device.Sync()
}

// Every stretch of work that a step may wait for has one of these operations.
func (w *waitCounter) MatMul(c, a, b kernels.Tensor, m kernels.MatMul) {
	w.busy = true
	w.Device.MatMul(c, a, b, m)
}

func (w *waitCounter) ExpColumns(columns, scores, logitScale kernels.Tensor) {
	w.busy = true
	w.Device.ExpColumns(columns, scores, logitScale)
}

func (w *waitCounter) SquaredNorm(sum, x kernels.Tensor) {
	w.busy = true
	w.Device.SquaredNorm(sum, x)
}

func (w *waitCounter) AdamW(p, m1, m2, g, squared kernels.Tensor, a kernels.AdamW) {
	w.busy = true
	w.Device.AdamW(p, m1, m2, g, squared, a)
}

func (w *waitCounter) BlockDigests(digests, x kernels.Tensor) {
	w.busy = true
	w.Device.BlockDigests(digests, x)
}

// A lane waits for its texts, its columns and its gradient. The update, for which every process waits anyhow to say its
// digest, is one wait more, whatever is read of it.
func TestAStepWaitsOnceEachForTextsColumnsGradientAndUpdate(t *testing.T) {
	s := newScene(t, 171)
	dev := &waitCounter{Device: fastest(t)}
	m := s.model(t, dev, 1)
	for phase := 1; phase <= 2; phase++ {
		s.countWaits(t, m, dev, phase)
	}
}

func (s *scene) countWaits(t *testing.T, m *Model, dev *waitCounter, phase int) {
	t.Helper()
	waited := func(what string, err error) {
		t.Helper()
		if err != nil || dev.waits != 1 || dev.busy {
			t.Errorf("phase %d, %s: %d waits, work left over: %v, error: %v", phase, what, dev.waits, dev.busy, err)
		}
		dev.waits = 0
	}
	dev.waits, dev.busy = 0, false
	_, err := m.EmbedTexts(s.tokens[0])
	waited("texts", err)
	pass, err := m.Forward(s.batches[0], s.texts)
	if err != nil || dev.waits != 0 {
		t.Errorf("phase %d, forward: %d waits, error: %v", phase, dev.waits, err)
	}
	columns, err := pass.Columns()
	waited("columns", err)
	grads := make([]float32, m.GradientLen(phase))
	_, err = m.Backward(pass, columns, phase, grads, nil)
	waited("gradient", err)
	m.Release(pass)
	_, err = m.Apply(grads, phase, Rates{Rate: 1e-3, Count: 1, BlockCount: 1})
	waited("update", err)
}
