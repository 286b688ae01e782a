package tcl

import (
	"math"
	"slices"
	"testing"

	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/kernels"
)

// sameBits fails unless both lanes' results are equal to the last bit.
func sameBits(t *testing.T, what string, a, b step, lanes ...int) {
	t.Helper()
	for _, lane := range lanes {
		if !slices.Equal(bits64(a.columns[lane]), bits64(b.columns[lane])) {
			t.Errorf("%s: columns of lane %d differ", what, lane)
		}
		if !slices.Equal(bits32(a.grads[lane]), bits32(b.grads[lane])) {
			t.Errorf("%s: gradients of lane %d differ", what, lane)
		}
		if !slices.Equal(bits64(a.losses[lane][:]), bits64(b.losses[lane][:])) {
			t.Errorf("%s: losses of lane %d differ", what, lane)
		}
	}
}

func bits32(x []float32) []uint32 {
	y := make([]uint32, len(x))
	for i, v := range x {
		y[i] = math.Float32bits(v)
	}
	return y
}

func bits64(x []float64) []uint64 {
	y := make([]uint64, len(x))
	for i, v := range x {
		y[i] = math.Float64bits(v)
	}
	return y
}

func TestKeptAndRecomputedPassesGiveTheSameBits(t *testing.T) {
	s := newScene(t, 51)
	for phase := 1; phase <= 2; phase++ {
		want := s.run(t, s.model(t, fastest(t), microLanes), phase, 0, 1, 2)
		for keep := 1; keep < microLanes; keep++ {
			m := s.model(t, fastest(t), keep)
			sameBits(t, "fewer passes kept", want, s.run(t, m, phase, 0, 1, 2), 0, 1, 2)
			if len(m.training.sets) != keep {
				t.Errorf("%d passes of %d bytes are kept, not %d", len(m.training.sets), m.training.setBytes, keep)
			}
		}
	}
}

func TestALaneDoesNotDependOnTheLanesBeforeIt(t *testing.T) {
	s := newScene(t, 61)
	want := s.run(t, s.model(t, fastest(t), microLanes), 2, 0, 1, 2)
	m := s.model(t, fastest(t), 2)
	sameBits(t, "other order", want, s.run(t, m, 2, 2, 0, 1), 0, 1, 2)
	sameBits(t, "second time", want, s.run(t, m, 2, 1, 2, 0), 0, 1, 2)
}

func TestTheNumberOfThreadsChangesNoBit(t *testing.T) {
	s := newScene(t, 63)
	want := s.run(t, s.model(t, open(t, "cpu", 1), 1), 2, 0, 1, 2)
	for threads := 2; threads <= 3; threads++ {
		sameBits(t, "more threads", want, s.run(t, s.model(t, open(t, "cpu", threads), 1), 2, 0, 1, 2), 0, 1, 2)
	}
}

func TestALaneAloneMakesItsOwnColumns(t *testing.T) {
	s := newScene(t, 62)
	want := s.run(t, s.model(t, fastest(t), microLanes), 1, 0, 1, 2)
	m := s.model(t, fastest(t), 1)
	pass, err := m.Forward(s.batches[1], s.texts)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := pass.Columns()
	if err != nil {
		t.Fatal(err)
	}
	grads := make([]float32, m.GradientLen(1))
	if _, err := m.Backward(pass, want.sum, 1, grads, nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(columns, want.columns[1]) || !slices.Equal(grads, want.grads[1]) {
		t.Error("lane 1 alone gives other numbers than among lanes 0 and 2")
	}
}

func TestReadyCoversEveryGradientOnceFromTheLastParametersToTheFirst(t *testing.T) {
	s := newScene(t, 71)
	m := s.model(t, fastest(t), 1)
	for phase := 1; phase <= 2; phase++ {
		pass, err := m.Forward(s.batches[0], s.texts)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := pass.Columns()
		if err != nil {
			t.Fatal(err)
		}
		grads := make([]float32, m.GradientLen(phase))
		next, calls := len(grads), 0
		final := make([]float32, len(grads))
		if _, err = m.Backward(pass, columns, phase, grads, func(lo, hi int) {
			if hi != next || lo >= hi {
				t.Errorf("phase %d: [%d, %d) after [%d, …)", phase, lo, hi, next)
			}
			next = lo
			calls++
			copy(final[lo:hi], grads[lo:hi])
		}); err != nil {
			t.Fatal(err)
		}
		if next != 0 || calls < 6 {
			t.Errorf("phase %d: %d calls, down to %d", phase, calls, next)
		}
		if !slices.Equal(final, grads) {
			t.Errorf("phase %d: gradients changed after they were ready", phase)
		}
		m.Release(pass)
	}
}

// meter counts what must not happen often.
type meter struct {
	kernels.Device
	allocations, waits int
}

func (d *meter) Alloc(dt kernels.DType, shape ...int) kernels.Tensor {
	d.allocations++
	return d.Device.Alloc(dt, shape...)
}

func (d *meter) Download(dst any, t kernels.Tensor) error {
	d.waits++
	return d.Device.Download(dst, t)
}

func (d *meter) Sync() error {
	d.waits++
	return d.Device.Sync()
}

func TestOnlyTextsColumnsAndGradientsWaitAndNothingIsAllocatedAgain(t *testing.T) {
	s := newScene(t, 81)
	dev := &meter{Device: fastest(t)}
	m := s.model(t, dev, microLanes)
	s.run(t, m, 2, 0, 1, 2)
	dev.allocations, dev.waits = 0, 0
	s.run(t, m, 2, 2, 1, 0)
	if dev.allocations != 0 {
		t.Errorf("the second step allocates %d tensors", dev.allocations)
	}

	dev.waits = 0
	pass, err := m.Forward(s.batches[0], s.texts)
	if err != nil || dev.waits != 0 {
		t.Errorf("the forward pass waits %d times, error %v", dev.waits, err)
	}
	columns, err := pass.Columns()
	if err != nil || dev.waits != 1 {
		t.Errorf("columns wait %d times, error %v", dev.waits, err)
	}
	// All work is enqueued before the first of Backward's downloads; the others find it done.
	order := &recorder{Device: dev.Device}
	m.dev = order
	if _, err := m.Backward(pass, columns, 2, make([]float32, m.GradientLen(2)), nil); err != nil {
		t.Fatal(err)
	}
	if order.workAfterWait {
		t.Error("the backward pass enqueues work after it has waited")
	}
}

// recorder sees whether the decoder, where most of the backward pass is spent, works after a wait.
type recorder struct {
	kernels.Device
	waited, workAfterWait bool
}

func (d *recorder) Download(dst any, t kernels.Tensor) error {
	d.waited = true
	return d.Device.Download(dst, t)
}

func (d *recorder) MatMul(c, a, b kernels.Tensor, m kernels.MatMul) {
	d.workAfterWait = d.workAfterWait || d.waited
	d.Device.MatMul(c, a, b, m)
}

func (d *recorder) LayerNormBackward(dx, dgamma, dbeta, dy, x, stats, gamma kernels.Tensor) {
	d.workAfterWait = d.workAfterWait || d.waited
	d.Device.LayerNormBackward(dx, dgamma, dbeta, dy, x, stats, gamma)
}

func TestWrongInputsAreNamed(t *testing.T) {
	s := newScene(t, 91)
	m := s.model(t, fastest(t), 1)
	good := s.batches[0]
	wrong := map[string]Batch{
		"images":    {Images: dense.Of(dense.Floats(good.Images), microBatch, 3, 4, 16), Noise: good.Noise},
		"no tensor": {Noise: good.Noise},
		"noise":     {Images: good.Images, Noise: good.Noise[1:]},
		"lanes 0 t": {Lane: microLanes, Images: good.Images, Noise: good.Noise},
	}
	for what, b := range wrong {
		_, err := m.Forward(b, s.texts)
		wantError(t, err, what)
	}
	_, err := m.Forward(good, s.texts[1:])
	wantError(t, err, "text embeddings")
	_, err = m.EmbedTexts([][]int32{make([]int32, 3)})
	wantError(t, err, "context")
	_, err = m.EmbedTexts([][]int32{{1, 99, 0, 0, 0, 0}})
	wantError(t, err, "vocabulary")
}
