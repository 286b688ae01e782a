package tcl

import "testing"

// BenchmarkStep is one lane's step without a bus: texts, forward, backward, update. It reports images a second and the
// device's peak memory.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name       string
		cfg        Config
		batch, all int
	}{
		{"tiny", Config{Vision{32, 8, 64, 3, 4, 32}, Text{12, 64, 32, 2, 2}}, 3, 6},
		{"world", Config{Vision{64, 8, 96, 4, 3, 96}, Text{16, 1000, 96, 2, 3}}, 4, 32},
		{"vitb16", Config{Vision{224, 16, 768, 12, 12, 512}, Text{77, 49408, 512, 12, 8}}, 4, 64},
	} {
		for phase := 1; phase <= 2; phase++ {
			b.Run(c.name+[]string{"", "/phase1", "/phase2"}[phase], func(b *testing.B) { benchmarkStep(b, c.cfg, c.batch, c.all, phase) })
		}
	}
}

func benchmarkStep(b *testing.B, cfg Config, batch, all, phase int) {
	d, dev := newDraws(b, 1), fastest(b)
	m, err := NewModel(dev, cfg, PaperMethod(), d.weights(CLIPParameters(cfg)), d.weights(Trainables(cfg)), ModelOptions{
		MicroBatch: batch, GlobalBatch: all, Optimiser: PaperOptimiser()})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	captions := make([][]int32, batch)
	for i := range captions {
		captions[i] = make([]int32, cfg.Text.Context)
		copy(captions[i], []int32{int32(cfg.Text.Vocab - 2), 5, 6, 7, 8, 9, 10, 11, 12, 13, int32(cfg.Text.Vocab - 1)})
	}
	side := cfg.Vision.Image
	lane := Batch{Images: d.around(batch*3*side*side, 0, 2), Noise: d.around(batch*cfg.Positions(), 0.5, 0.499)}
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
