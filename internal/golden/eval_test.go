package golden

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/textground/textground/checkpoint/safetensors"
)

// evalPath is where the weights of tiny_eval lie beside it.
var evalPath = filepath.Join("testdata", "tiny_eval.safetensors")

func TestTheInferenceGoldenVerifiesOnEveryDevice(t *testing.T) {
	for _, device := range everyDevice {
		t.Run(device, func(t *testing.T) {
			if slow && device == "ref" {
				t.Skip("ref under the race detector: minutes")
			}
			r := replay(t, evalPath, read(t, "tiny_eval"), open(t, device))
			if !r.OK() {
				t.Errorf("out of bounds:\n%s", r.Details())
			}
			t.Logf("\n%s", r.Details())
		})
	}
}

func TestAWrongScoreOrLabelIsReported(t *testing.T) {
	wrong := edits{
		"eval.class_embedding": func(x float64) float64 { return x + 1e-3 },
		"eval.window0.pamr":    func(x float64) float64 { return x + 1e-3 },
		"eval.avg_scores":      func(x float64) float64 { return x - 1e-3 },
		"eval.scores_plain":    func(x float64) float64 { return x + 1e-3 },
		"eval.miou":            func(x float64) float64 { return x + 1e-9 },
	}
	r := replay(t, evalPath, wrong.apply(t, read(t, "tiny_eval")), exact(t))
	for _, g := range r.Groups {
		for _, e := range g.Entries {
			if touched := wrong[e.Tensor] != nil; touched == e.OK() {
				t.Errorf("%s: error %v, bound %v", e.Tensor, e.Error, e.Bound)
			}
		}
	}
}

func TestAnInferenceGoldenWithoutItsWeightsSaysWhatIsMissing(t *testing.T) {
	dev := open(t, "ref")
	_, err := Replay("elsewhere/tiny_eval.safetensors", read(t, "tiny_eval"), dev)
	if err == nil || !strings.Contains(err.Error(), filepath.Join("elsewhere", "tiny_p1.safetensors")) {
		t.Errorf("error %v", err)
	}
	for key, value := range map[string]string{"weights_file": "tiny_p2.safetensors/..", "config": `{"eval":{"round_resized":true}}`, "format": "x"} {
		f := read(t, "tiny_eval")
		broken := &safetensors.File{Tensors: f.Tensors, Metadata: map[string]string{}}
		for k, v := range f.Metadata {
			broken.Metadata[k] = v
		}
		broken.Metadata[key] = value
		g, err := safetensors.Read(mustEncode(t, broken.Tensors, broken.Metadata))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Replay(evalPath, g, dev); err == nil || !strings.Contains(err.Error(), "metadata: "+key) {
			t.Errorf("broken %s: error %v", key, err)
		}
	}
}
