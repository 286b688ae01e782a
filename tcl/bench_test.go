package tcl

import (
	"runtime"
	"testing"

	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/kernels"
)

var viTB16 = Config{Vision{224, 16, 768, 12, 12, 512, QuickGELU}, Text{77, 49408, 512, 12, 8, QuickGELU}}

// BenchmarkStep is one lane's step without a bus: texts, forward, backward, update. It reports images a second and the
// device's peak memory. scripts/bench/step.py takes the same step in PyTorch.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name       string
		cfg        Config
		batch, all int
	}{
		{"tiny", Config{Vision{32, 8, 64, 3, 4, 32, QuickGELU}, Text{12, 64, 32, 2, 2, QuickGELU}}, 3, 6},
		{"world", Config{Vision{64, 8, 96, 4, 3, 96, QuickGELU}, Text{16, 1000, 96, 2, 3, QuickGELU}}, 4, 32},
		{"vitb16", viTB16, 4, 64},
	} {
		for phase := 1; phase <= 2; phase++ {
			b.Run(c.name+[]string{"", "/phase1", "/phase2"}[phase], func(b *testing.B) { benchmarkStep(b, c.cfg, c.batch, c.all, phase) })
		}
	}
}

func benchmarkStep(b *testing.B, cfg Config, batch, all, phase int) {
	d, dev := newDraws(b, 1), open(b, "cpu", runtime.NumCPU())
	m := benchmarked(b, d, dev, cfg, batch, all)
	captions := make([][]int32, batch)
	for i := range captions {
		captions[i] = make([]int32, cfg.Text.Context)
		copy(captions[i], []int32{int32(cfg.Text.Vocab - 2), 5, 6, 7, 8, 9, 10, 11, 12, 13, int32(cfg.Text.Vocab - 1)})
	}
	side := cfg.Vision.Image
	lane := Batch{Images: dense.Of(d.around(batch*3*side*side, 0, 2), batch, 3, side, side), Noise: d.around(batch*cfg.Positions(), 0.5, 0.499)}
	texts := d.around(all*cfg.Vision.Embed, 0, 1)
	grads := make([]float32, m.GradientLen(phase))
	benchmarkOnce(b, m, captions, lane, texts, grads, phase)
	dev.ResetPeak()
	for b.Loop() {
		benchmarkOnce(b, m, captions, lane, texts, grads, phase)
	}
	b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "images/s")
	b.ReportMetric(float64(dev.Peak())/(1<<20), "MiB")
}

func benchmarkOnce(b *testing.B, m *Model, captions [][]int32, lane Batch, texts, grads []float32, phase int) {
	own, err := m.EmbedTexts(captions)
	if err != nil {
		b.Fatal(err)
	}
	copy(texts, own)
	pass, err := m.Forward(lane, texts)
	if err != nil {
		b.Fatal(err)
	}
	columns, err := pass.Columns()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := m.Backward(pass, columns, phase, grads, nil); err != nil {
		b.Fatal(err)
	}
	m.Release(pass)
	if _, err := m.Apply(grads, phase, Rates{Rate: 1e-6, Count: 1000, BlockCount: 1000}); err != nil {
		b.Fatal(err)
	}
}

func benchmarked(b *testing.B, d *draws, dev kernels.Device, cfg Config, batch, all int) *Model {
	m, err := NewModel(dev, cfg, PaperMethod(), d.weights(CLIPParameters(cfg)), d.weights(Trainables(cfg)), ModelOptions{
		MicroBatch: batch, GlobalBatch: all, Optimiser: PaperOptimiser()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(m.Close)
	return m
}

// BenchmarkStall is what a save costs the step before it at ViT-B/16: the copy of 28.7 M parameters and their moments,
// 345 MB, that is then written in the background.
func BenchmarkStall(b *testing.B) {
	m := benchmarked(b, newDraws(b, 1), open(b, "cpu", runtime.NumCPU()), viTB16, 1, 1)
	b.SetBytes(3 * 4 * int64(m.GradientLen(2)))
	var s State
	if err := m.CopyState(&s); err != nil { // a run's first save touches fresh memory
		b.Fatal(err)
	}
	for b.Loop() {
		if err := m.CopyState(&s); err != nil {
			b.Fatal(err)
		}
	}
}
