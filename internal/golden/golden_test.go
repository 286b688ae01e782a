package golden

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/cpu"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/tcl"
)

func read(t testing.TB, name string) *safetensors.File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// exact opens the fastest device that computes in float32.
func exact(t testing.TB) kernels.Device {
	t.Helper()
	if len(cpu.InstructionSets()) == 0 {
		return open(t, "ref")
	}
	return open(t, "cpu")
}

// everyDevice is what the files are replayed on; cards, or the emulated one, where there are any.
var everyDevice = []string{"ref", "cpu", "cuda", "cuda-float32"}

func open(t testing.TB, name string) kernels.Device {
	t.Helper()
	dev, err := devices.Open(name, 2)
	if err != nil {
		t.Skipf("no device %s here: %v", name, err)
	}
	t.Cleanup(func() { dev.Close() })
	return dev
}

func replay(t testing.TB, name string, f *safetensors.File, dev kernels.Device) *Report {
	t.Helper()
	r, err := Replay(name, f, dev)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTinyGoldensVerifyOnEveryDevice(t *testing.T) {
	for _, device := range everyDevice {
		for _, name := range []string{"tiny_p1", "tiny_p2", "resize"} {
			t.Run(device+"/"+name, func(t *testing.T) {
				if slow && device == "ref" && name == "tiny_p1" {
					t.Skip("ref under the race detector: phase 2 does all that phase 1 does")
				}
				r := replay(t, name, read(t, name), open(t, device))
				if !r.OK() {
					t.Errorf("out of bounds:\n%s", r.Details())
				}
				t.Logf("\n%s", r)
			})
		}
	}
}

// Seconds on fast kernels, so the Makefile asks for it apart.
func TestViTB16VerifiesOnCPU(t *testing.T) {
	if os.Getenv("TEXTGROUND_VITB16") == "" {
		t.Skip("set TEXTGROUND_VITB16=1 to replay ViT-B/16 (1.5 GB of memory)")
	}
	r := replay(t, "vitb16_p1", read(t, "vitb16_p1"), open(t, "cpu"))
	if !r.OK() {
		t.Errorf("out of bounds:\n%s", r.Details())
	}
	t.Logf("\n%s", r)
}

// The check values of docs/goldens.md.
func TestUniformMakesTheCheckValues(t *testing.T) {
	key := recipeKey(1, "image")
	if key != 0x593ebca446f1298e || word(key, 0) != 0x347d7bc0a10e049d || word(key, 1) != 0xe72b81ecd64abfd7 {
		t.Errorf("key %#x, words %#x, %#x", key, word(key, 0), word(key, 1))
	}
	want := []float32{-1.1798412799835205, 1.612030267715454, -1.3276798725128174, 1.7460129261016846}
	if got := uniform(1, "image", 4, 0, 2); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, not %v", got, want)
	}
}

func TestTheRecipeMakesTheStoredWeights(t *testing.T) {
	f := read(t, "tiny_p2")
	m, err := readMetadata(f)
	if err != nil {
		t.Fatal(err)
	}
	made, err := recipe(f, m.Seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range tcl.Trainables(m.Config) {
		w, err := made(p)
		if err != nil {
			t.Fatal(err)
		}
		want, err := f.Float32s("in.weights." + p.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(dense.Floats(w), want) {
			t.Errorf("%s differs", p.Name)
		}
	}
}

// sampled turns a golden into one of the big files' form: weights by recipe, every large result by 64 of its values.
func sampled(t *testing.T, f *safetensors.File) *safetensors.File {
	t.Helper()
	var tensors []safetensors.Tensor
	for _, tensor := range f.Tensors {
		result := strings.HasPrefix(tensor.Name, "act.") || strings.HasPrefix(tensor.Name, "grad.") || strings.HasPrefix(tensor.Name, "step")
		switch {
		case strings.HasPrefix(tensor.Name, "in.weights."), strings.HasPrefix(tensor.Name, "refdev."):
		case result && tensor.DType == safetensors.F32 && tensor.Elements() > 64:
			tensors = append(tensors, samples(t, tensor)...)
		default:
			tensors = append(tensors, tensor)
		}
	}
	data, err := safetensors.Encode(tensors, f.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	out, err := safetensors.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func samples(t *testing.T, tensor safetensors.Tensor) []safetensors.Tensor {
	t.Helper()
	values, err := tensor.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	var at []int64
	var picked []float64
	for i := range 64 {
		k := i * len(values) / 64
		at, picked = append(at, int64(k)), append(picked, values[k])
	}
	return []safetensors.Tensor{
		safetensors.Of(tensor.Name, dense.Of(picked, 64)), safetensors.Of("idx."+tensor.Name, dense.Of(at, 64)),
		safetensors.Of("norm."+tensor.Name, dense.Of([]float64{norm(values)}, 1)),
	}
}

func TestSampledGoldensVerifyLikeWholeOnes(t *testing.T) {
	r := replay(t, "sampled", sampled(t, read(t, "tiny_p2")), exact(t))
	if !r.OK() {
		t.Errorf("out of bounds:\n%s", r.Details())
	}
}

// edits change the first value of a tensor.
type edits map[string]func(float64) float64

func (e edits) apply(t *testing.T, f *safetensors.File) *safetensors.File {
	t.Helper()
	tensors := append([]safetensors.Tensor(nil), f.Tensors...)
	for i, tensor := range tensors {
		if edit := e[tensor.Name]; edit != nil {
			tensors[i] = edited(t, tensor, edit)
		}
	}
	out, err := safetensors.Read(mustEncode(t, tensors, f.Metadata))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func edited(t *testing.T, tensor safetensors.Tensor, edit func(float64) float64) safetensors.Tensor {
	t.Helper()
	if tensor.DType == safetensors.U8 {
		bytes := append([]byte(nil), tensor.Data...)
		bytes[0] = byte(edit(float64(bytes[0])))
		return safetensors.Of(tensor.Name, dense.Of(bytes, tensor.Shape...))
	}
	values, err := tensor.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	values[0] = edit(values[0])
	return safetensors.Of(tensor.Name, dense.Of(values, tensor.Shape...))
}

func TestAWrongNumberInAnyGroupIsReported(t *testing.T) {
	wrong := edits{
		"act.v":                      func(x float64) float64 { return x + 0.01 },
		"act.h":                      func(x float64) float64 { return 1 - x },
		"loss.tv_img":                func(x float64) float64 { return x * 1.00001 },
		"grad.masker.sim2mask.w":     func(x float64) float64 { return x * 1.001 },
		"grad.masker.sim2mask.b":     func(float64) float64 { return math.NaN() },
		"opt.lr":                     func(x float64) float64 { return x * 1.0001 },
		"step2.masker.sim2mask.b":    func(x float64) float64 { return x + 1e-4 },
		"step.tclf_loss.logit_scale": func(x float64) float64 { return x - 1e-4 },
	}
	r := replay(t, "edited", wrong.apply(t, read(t, "tiny_p1")), exact(t))
	if r.OK() {
		t.Error("changed values go unseen")
	}
	for _, g := range r.Groups {
		if g.Worst().OK() {
			t.Errorf("group %s passes", g.Name)
		}
		for _, e := range g.Entries {
			name, _, _ := strings.Cut(e.Tensor, "[")
			if touched := wrong[name] != nil && e.Tensor != "opt.lr[1]"; touched == e.OK() {
				t.Errorf("%s: error %v, bound %v", e.Tensor, e.Error, e.Bound)
			}
		}
	}
	if table := r.String(); !strings.Contains(table, "grad.masker.sim2mask.b") || !strings.Contains(table, "OFF") {
		t.Errorf("NaN is not the worst gradient:\n%s", table)
	}
}

func TestFilesThatAreNoGoldensAreNamed(t *testing.T) {
	f, err := safetensors.Read(mustEncode(t, []safetensors.Tensor{safetensors.Of("x", dense.Of([]float32{1}, 1))}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = Replay("x.safetensors", f, open(t, "ref")); err == nil || !strings.Contains(err.Error(), "x.safetensors") {
		t.Errorf("error %v", err)
	}
	broken := read(t, "tiny_p1")
	for key, value := range map[string]string{"format": "other", "config": "{", "recipe": "{}"} {
		metadata := map[string]string{}
		for k, v := range broken.Metadata {
			metadata[k] = v
		}
		metadata[key] = value
		f, err := safetensors.Read(mustEncode(t, sampled(t, broken).Tensors, metadata))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Replay("y", f, open(t, "ref")); err == nil || !strings.Contains(err.Error(), "y: metadata: "+key) {
			t.Errorf("broken %s: error %v", key, err)
		}
	}
}

func mustEncode(t *testing.T, tensors []safetensors.Tensor, metadata map[string]string) []byte {
	t.Helper()
	data, err := safetensors.Encode(tensors, metadata)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func FuzzMetadata(f *testing.F) {
	f.Add("tcl-golden-1", read(f, "tiny_p2").Metadata["config"])
	f.Add("tcl-golden-1", `{"phase":1,"micro_batch":1,"micro_batches":1,"optimiser":{"name":"adamw"}}`)
	f.Fuzz(func(t *testing.T, format, config string) {
		m, err := readMetadata(&safetensors.File{Metadata: map[string]string{"format": format, "config": config}})
		if err == nil && (m.pairs() <= 0 || m.Positions() <= 0 || m.Phase < 1 || m.Phase > 2) {
			t.Errorf("accepted: %+v", m)
		}
	})
}
