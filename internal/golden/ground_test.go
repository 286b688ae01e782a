package golden

import (
	"math"
	"testing"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/tcl"
)

// The first window of the inference golden, stage by stage as tcl-spec section 8 orders them.
func TestGroundMakesTheStagesOfTheInferenceGolden(t *testing.T) {
	f, dev := read(t, "tiny_eval"), open(t, "ref")
	window := firstWindow(t, f)
	texts := floats(t, f, "eval.class_embedding")
	g, err := groundingModel(t, dev).Ground(dense.Of(window, 1, 3, 40, 40), dense.Of(texts, len(texts)/32, 32))
	if err != nil {
		t.Fatal(err)
	}
	compareScores(t, f, "eval.window0.soft", dense.Floats(g.Soft))

	classes, rows, cols := g.Soft.Shape()[1], g.Soft.Shape()[2], g.Soft.Shape()[3]
	masks, image := dev.Alloc(kernels.Float32, classes, rows, cols), dev.Alloc(kernels.Float32, 3, rows, cols)
	dev.Upload(masks, dense.Floats(g.Soft))
	dev.Upload(image, resized(t, dev, window, 3, 40, 40, rows, cols, kernels.BilinearAligned))
	dev.RefineMasks(masks, image, kernels.PAMR{Dilations: []int{1, 2, 4, 8, 12, 24}, Iterations: 10})
	refined := make([]float32, masks.Len())
	if err := dev.Download(refined, masks); err != nil {
		t.Fatal(err)
	}
	compareScores(t, f, "eval.window0.pamr", refined)

	patches := make([]float32, g.CLIP.Len())
	for i, cosine := range dense.Floats(g.CLIP) {
		patches[i] = float32(1 / (1 + math.Exp(-10*(float64(cosine)-0.25))))
	}
	for i, p := range resized(t, dev, patches, classes, g.CLIP.Shape()[2], g.CLIP.Shape()[3], rows, cols, kernels.Bilinear) {
		refined[i] = 0.3*p + 0.7*refined[i]
	}
	compareScores(t, f, "eval.window0.kp", refined)
}

// firstWindow cuts rows and columns [0, 40) out of eval.resized [1, 3, 64, 48].
func firstWindow(t *testing.T, f *safetensors.File) []float32 {
	t.Helper()
	var window []float32
	for line := range 3 * 64 {
		if line%64 < 40 {
			window = append(window, floats(t, f, "eval.resized")[line*48:][:40]...)
		}
	}
	return window
}

// groundingModel has the weights of tiny_p1.
func groundingModel(t *testing.T, dev kernels.Device) *tcl.Model {
	t.Helper()
	f := read(t, "tiny_p1")
	m, err := readMetadata(f)
	if err != nil {
		t.Fatal(err)
	}
	clip, ground, err := weights(f, m)
	if err != nil {
		t.Fatal(err)
	}
	model, err := tcl.NewModel(dev, m.Config, m.method(), clip, ground, tcl.ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func floats(t *testing.T, f *safetensors.File, name string) []float32 {
	t.Helper()
	values, err := f.Float32s(name)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func resized(t *testing.T, dev kernels.Device, x []float32, planes, h, w, rows, cols int, how kernels.Resampling) []float32 {
	t.Helper()
	src, dst := dev.Alloc(kernels.Float32, planes, h, w), dev.Alloc(kernels.Float32, planes, rows, cols)
	dev.Upload(src, x)
	dev.Resize(dst, src, how)
	out := make([]float32, dst.Len())
	if err := dev.Download(out, dst); err != nil {
		t.Fatal(err)
	}
	return out
}

func compareScores(t *testing.T, f *safetensors.File, name string, have []float32) {
	t.Helper()
	want, err := expect(f, name)
	if err != nil {
		t.Fatal(err)
	}
	const bound = 1e-4
	if diff, _, err := want.difference(widen(have)); err != nil || !(diff <= bound) {
		t.Errorf("%s: off by %v, error %v", name, diff, err)
	} else {
		t.Logf("%s: off by %.2g", name, diff)
	}
}
