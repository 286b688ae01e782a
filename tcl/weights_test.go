package tcl

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/internal/dense"
)

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; wanted one with %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q has several lines", err)
	}
}

// file writes weights behind a prefix and reads them back.
func file(t *testing.T, w Weights, prefix string, metadata map[string]string) *safetensors.File {
	t.Helper()
	var tensors []safetensors.Tensor
	for _, name := range w.Names() {
		tensors = append(tensors, safetensors.Of(prefix+name, w[name]))
	}
	data, err := safetensors.Encode(tensors, metadata)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func microMetadata(t testing.TB, cfg Config) map[string]string {
	t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"config": string(text)}
}

func TestLoadCLIPReadsSizesOffTheShapesBehindAnyPrefix(t *testing.T) {
	want := newDraws(t, 1).weights(CLIPParameters(micro))
	for _, prefix := range []string{"", "clip.", "in.weights.clip."} {
		cfg, got, err := LoadCLIP("x", file(t, want, prefix, microMetadata(t, micro)))
		if err != nil {
			t.Fatal(err)
		}
		if cfg != micro {
			t.Errorf("prefix %q: config %+v", prefix, cfg)
		}
		if !slices.Equal(got.Flat(CLIPParameters(micro)), want.Flat(CLIPParameters(micro))) {
			t.Errorf("prefix %q: other values", prefix)
		}
	}
}

func TestLoadCLIPCountsHeadsOf64ChannelsWithoutMetadata(t *testing.T) {
	cfg := micro
	cfg.Vision.Width, cfg.Vision.Heads, cfg.Text.Width, cfg.Text.Heads = 128, 2, 64, 1
	got, _, err := LoadCLIP("x", file(t, newDraws(t, 2).weights(CLIPParameters(cfg)), "", nil))
	if err != nil || got != cfg {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLoadCLIPNamesFileAndTensorOfEveryFault(t *testing.T) {
	const name = "visual.transformer.resblocks.1.mlp.c_fc.bias"
	change := func(edit func(Weights)) *safetensors.File {
		w := newDraws(t, 3).weights(CLIPParameters(micro))
		edit(w)
		return file(t, w, "", microMetadata(t, micro))
	}
	cases := map[string]struct {
		f    *safetensors.File
		says []string
	}{
		"missing name": {change(func(w Weights) { delete(w, name) }), []string{"a.safetensors", name, "missing"}},
		"wrong shape":  {change(func(w Weights) { w[name] = dense.Of(w.Values(name), 16, 2) }), []string{"a.safetensors", name, "[16 2]", "[32]"}},
		"wrong type":   {change(func(w Weights) { w[name] = dense.Of(make([]float64, 32), 32) }), []string{"a.safetensors", name, "float64", "float32"}},
		"NaN":          {change(func(w Weights) { w.Values(name)[5] = float32(math.NaN()) }), []string{"a.safetensors", name, "value 5", "NaN"}},
		"infinity":     {change(func(w Weights) { w.Values(name)[0] = float32(math.Inf(1)) }), []string{name, "value 0"}},
		"other file":   {file(t, Weights{"x": dense.Of([]float32{0}, 1)}, "", nil), []string{"a.safetensors", "visual.conv1.weight"}},
		"no text":      {change(func(w Weights) { delete(w, "token_embedding.weight") }), []string{"a.safetensors", "token_embedding.weight"}},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			_, _, err := LoadCLIP("a.safetensors", c.f)
			wantError(t, err, c.says...)
		})
	}
	other := micro
	other.Vision.Layers = 3
	_, _, err := LoadCLIP("a.safetensors", file(t, newDraws(t, 4).weights(CLIPParameters(micro)), "", microMetadata(t, other)))
	wantError(t, err, "a.safetensors", "config", "shapes")
	_, _, err = LoadCLIP("a.safetensors", file(t, newDraws(t, 4).weights(CLIPParameters(micro)), "", map[string]string{"config": "{"}))
	wantError(t, err, "a.safetensors", "config")
	twice := newDraws(t, 5).weights(CLIPParameters(micro))
	twice["b.visual.conv1.weight"] = twice["visual.conv1.weight"]
	_, _, err = LoadCLIP("a.safetensors", file(t, twice, "", nil))
	wantError(t, err, "a.safetensors", "2 prefixes")
}

func TestLoadCLIPRefusesOrReadsWhateverShapesComeAndNeverPanics(t *testing.T) {
	base := newDraws(t, 6).weights(CLIPParameters(micro))
	names := base.Names()
	metadata := microMetadata(t, micro)
	rapid.Check(t, func(r *rapid.T) {
		w := Weights{}
		for _, name := range names {
			w[name] = base[name]
		}
		for range rapid.IntRange(1, 3).Draw(r, "edits") {
			name := rapid.SampledFrom(names).Draw(r, "name")
			shape := rapid.SliceOfN(rapid.IntRange(0, 5), 0, 4).Draw(r, "shape")
			w[name] = dense.Of(make([]float32, Parameter{Shape: shape}.Len()), shape...)
		}
		var tensors []safetensors.Tensor
		for _, name := range w.Names() {
			tensors = append(tensors, safetensors.Of(name, w[name]))
		}
		data, err := safetensors.Encode(tensors, metadata)
		if err != nil {
			r.Fatal(err)
		}
		f, err := safetensors.Read(data)
		if err != nil {
			r.Fatal(err)
		}
		cfg, _, err := LoadCLIP("a", f)
		if err == nil && cfg != micro {
			r.Fatalf("accepted as %+v", cfg)
		}
	})
}

func TestLoadGrounderReadsWhatAStateExports(t *testing.T) {
	s := newScene(t, 7)
	m := s.model(t, fastest(t), 1)
	exported, err := m.Parameters()
	if err != nil {
		t.Fatal(err)
	}
	got, err := LoadGrounder("g", file(t, exported, "", nil), micro)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Flat(Trainables(micro)), s.ground.Flat(Trainables(micro))) {
		t.Error("other values")
	}
	delete(exported, scaleImages)
	_, err = LoadGrounder("g", file(t, exported, "", nil), micro)
	wantError(t, err, "g:", scaleImages, "missing")
}

func TestNamesOfTheTrainedBlockSortFirst(t *testing.T) {
	if !slices.IsSortedFunc(Trainables(micro), func(a, b Parameter) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not sorted")
	}
	l := newLayout(micro)
	for _, p := range l.list {
		inBlock := strings.HasPrefix(p.Name, maskerPrefix(micro))
		if inBlock != (l.offsets[p.Name] < l.block) {
			t.Errorf("%s at %d, the block ends at %d", p.Name, l.offsets[p.Name], l.block)
		}
	}
}

// The counts of tcl-spec section 2.
func TestViTB16HasTheParametersOfTheReference(t *testing.T) {
	cfg := Config{Vision{224, 16, 768, 12, 12, 512, QuickGELU}, Text{77, 49408, 512, 12, 8, QuickGELU}}
	l := newLayout(cfg)
	if l.len != 28725512 || l.len-l.block != 21637640 {
		t.Errorf("%d trainable values, %d in phase 1", l.len, l.len-l.block)
	}
	if cfg.Positions() != 56*56 || cfg.tokens() != 197 {
		t.Errorf("%d positions, %d tokens", cfg.Positions(), cfg.tokens())
	}
}

func TestUnflattenIsTheInverseOfFlat(t *testing.T) {
	want := newDraws(t, 8).weights(Trainables(micro))
	got := Unflatten(want.Flat(Trainables(micro)), Trainables(micro))
	for _, name := range want.Names() {
		if !slices.Equal(got.Values(name), want.Values(name)) || !slices.Equal(dense.Shape(got[name]), dense.Shape(want[name])) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestImpossibleSizesAreNamed(t *testing.T) {
	edits := map[string]func(*Config){
		"vision.image":  func(c *Config) { c.Vision.Image = 9 },
		"vision.width":  func(c *Config) { c.Vision.Heads = 3 },
		"text.width":    func(c *Config) { c.Text.Heads = 5 },
		"vision.layers": func(c *Config) { c.Vision.Layers = 0 },
		"text.vocab":    func(c *Config) { c.Text.Vocab = -1 },
	}
	for name, edit := range edits {
		cfg := micro
		edit(&cfg)
		wantError(t, cfg.Check(), name)
	}
	if err := micro.Check(); err != nil {
		t.Error(err)
	}
}

func FuzzLoadCLIP(f *testing.F) {
	var tensors []safetensors.Tensor
	weights := newDraws(f, 9).weights(CLIPParameters(micro))
	for _, name := range weights.Names() {
		tensors = append(tensors, safetensors.Of(name, weights[name]))
	}
	data, err := safetensors.Encode(tensors, microMetadata(f, micro))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := safetensors.Read(data)
		if err != nil {
			return
		}
		cfg, w, err := LoadCLIP("a", file)
		if err == nil && (cfg.Check() != nil || len(w) != len(CLIPParameters(cfg))) {
			t.Errorf("accepted: %+v", cfg)
		}
	})
}
