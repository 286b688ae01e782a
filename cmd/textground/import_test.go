package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/checkpoint/torch"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/examples"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/store"
	"github.com/textground/textground/tcl"
)

// toy is a CLIP that needs no metadata, with the demo's vocabulary.
var toy = tcl.Config{
	Vision: tcl.Vision{Image: 8, Patch: 4, Width: 64, Layers: 2, Heads: 1, Embed: 6},
	Text:   tcl.Text{Context: 6, Vocab: 642, Width: 64, Layers: 1, Heads: 1},
}

// numbers fills the listed tensors with different small values.
func numbers(list []tcl.Parameter) tcl.Weights {
	w, n := tcl.Weights{}, 0
	for _, p := range list {
		values := make([]float32, p.Len())
		for i := range values {
			n++
			values[i] = float32(n%257-128) / 512
		}
		w[p.Name] = dense.Of(values, p.Shape...)
	}
	return w
}

func toyCLIP() tcl.Weights { return numbers(tcl.CLIPParameters(toy)) }

// toyFile writes tensors in the format that the name's ending says, with metadata where it has any.
func toyFile(t *testing.T, dir, name string, w tcl.Weights, metadata map[string]string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	err := writeFile(path, func(out io.Writer) error {
		if filepath.Ext(name) == ".safetensors" {
			var tensors []safetensors.Tensor
			for _, name := range w.Names() {
				tensors = append(tensors, safetensors.Of(name, w[name]))
			}
			return safetensors.Write(out, tensors, metadata)
		}
		var tensors []torch.Named
		for _, name := range w.Names() {
			tensors = append(tensors, torch.Named{Name: name, Shape: dense.Shape(w[name]), Values: w.Values(name)})
		}
		return torch.Write(out, "", tensors)
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// imported carries import out and reads back what it wrote.
func imported(t *testing.T, args ...string) (importReport, tcl.Config, tcl.Weights) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "imported.safetensors")
	done := command(t, append([]string{"import", "--json", "--to", to}, args...)...)
	if done.code != exitDone {
		t.Fatal(done.err)
	}
	var report importReport
	if err := json.Unmarshal([]byte(done.out), &report); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Read(contentsOf(t, to))
	if err != nil {
		t.Fatal(err)
	}
	config, clip, err := tcl.LoadCLIP(to, f)
	if err != nil {
		t.Fatal(err)
	}
	return report, config, clip
}

func contentsOf(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustEqualCLIP(t *testing.T, config tcl.Config, got, want tcl.Weights) {
	t.Helper()
	if list := tcl.CLIPParameters(toy); config != toy || !slices.Equal(got.Flat(list), want.Flat(list)) {
		t.Errorf("config %+v, or other values", config)
	}
}

func TestImportReadsEveryFormat(t *testing.T) {
	want, dir := toyCLIP(), t.TempDir()
	archive, plain := toyFile(t, dir, "clip.pt", want, nil), toyFile(t, dir, "clip.safetensors", want, nil)
	for src, format := range map[string]string{archive: "PyTorch archive", plain: "safetensors", "file://" + archive: "PyTorch archive"} {
		report, config, clip := imported(t, src, "--activation", "quick_gelu")
		mustEqualCLIP(t, config, clip, want)
		if report.Format != format || len(report.SHA256) != 64 || report.SaidBy != "--activation" || report.Grounder {
			t.Errorf("%s: %+v", src, report)
		}
	}
}

func TestImportReadsAModelThatWasCutIntoFiles(t *testing.T) {
	want, dir := toyCLIP(), t.TempDir()
	one, two := tcl.Weights{}, tcl.Weights{}
	where := map[string]string{}
	for i, name := range want.Names() {
		half, file := one, "model-00001-of-00002.safetensors"
		if i%2 == 1 {
			half, file = two, "model-00002-of-00002.safetensors"
		}
		half[name], where[name] = want[name], file
	}
	toyFile(t, dir, "model-00001-of-00002.safetensors", one, nil)
	toyFile(t, dir, "model-00002-of-00002.safetensors", two, nil)
	index, err := json.Marshal(map[string]any{"weight_map": where})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "model.safetensors.index.json")
	if err := os.WriteFile(path, index, 0o644); err != nil {
		t.Fatal(err)
	}
	report, config, clip := imported(t, path, "--activation", "quick_gelu")
	mustEqualCLIP(t, config, clip, want)
	if report.Format != "safetensors, in 2 files" {
		t.Errorf("%+v", report)
	}
}

// Row 10 of reliability.md section 5.5.
func TestBadInputRow10AnIndexWithForeignOrMissingShardsIsRefused(t *testing.T) {
	for file, says := range map[string]string{"../../x": "no plain file name", "missing.safetensors": "missing.safetensors"} {
		path := filepath.Join(t.TempDir(), "model.safetensors.index.json")
		if err := os.WriteFile(path, []byte(`{"weight_map": {"a": "`+file+`"}}`), 0o644); err != nil {
			t.Fatal(err)
		}
		if done := command(t, "import", path); done.code != exitBadInput || !strings.Contains(done.err.Error(), says) {
			t.Errorf("%s: code %d, %v", file, done.code, done.err)
		}
	}
}

// Rows 9 and 11 of reliability.md section 5.5, at the command line; the rules are tested beside the readers.
func TestBadInputRows9And11DamagedWeightsAreRefusedWithoutAFile(t *testing.T) {
	dir := t.TempDir()
	whole := contentsOf(t, toyFile(t, dir, "whole.pt", toyCLIP(), nil))
	poisoned := toyCLIP()
	nan := float32(0)
	poisoned.Values("visual.proj")[3] = nan / nan
	missing := toyCLIP()
	delete(missing, "ln_final.bias")
	cases := map[string]struct {
		path string
		says string
	}{
		"cut":          {write(t, dir, "cut.pt", whole[:len(whole)/2]), "zip"},
		"a web page":   {write(t, dir, "page.pt", []byte("<!DOCTYPE html>")), "zip"},
		"old format":   {write(t, dir, "old.pth", []byte("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20")), "torch.save(torch.load("},
		"header":       {write(t, dir, "bad.safetensors", bytes.Repeat([]byte{0xff}, 64)), "header"},
		"NaN":          {toyFile(t, dir, "nan.pt", poisoned, nil), "visual.proj"},
		"missing":      {toyFile(t, dir, "missing.pt", missing, nil), "ln_final.bias"},
		"not there":    {filepath.Join(dir, "nope.pt"), "nope.pt"},
		"no object":    {"s3://", "names no object"},
		"wrong ending": {toyFile(t, dir, "fine.pt", toyCLIP(), nil), ".safetensors"},
	}
	for what, c := range cases {
		to := filepath.Join(dir, "out.safetensors")
		if what == "wrong ending" {
			to = filepath.Join(dir, "out.pth")
		}
		done := command(t, "import", c.path, "--activation", "quick_gelu", "--to", to)
		if done.code != exitBadInput || !strings.Contains(done.err.Error(), c.says) {
			t.Errorf("%s: code %d, %v", what, done.code, done.err)
		}
		if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s left %s", what, to)
		}
	}
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// huggingFace is a CLIPModel of one block a tower.
func huggingFace() tcl.Weights {
	w := tcl.Weights{}
	put := func(name string, shape ...int) {
		w[name] = dense.Of(make([]float32, tcl.Parameter{Shape: shape}.Len()), shape...)
	}
	pair := func(name string, out int, in ...int) {
		put(name+".weight", append([]int{out}, in...)...)
		put(name+".bias", out)
	}
	for _, tower := range []string{"vision_model.", "text_model."} {
		block := tower + "encoder.layers.0."
		for _, name := range []string{"q_proj", "k_proj", "v_proj", "out_proj"} {
			pair(block+"self_attn."+name, 64, 64)
		}
		pair(block+"layer_norm1", 64)
		pair(block+"layer_norm2", 64)
		pair(block+"mlp.fc1", 256, 64)
		pair(block+"mlp.fc2", 64, 256)
	}
	pair("vision_model.pre_layrnorm", 64)
	pair("vision_model.post_layernorm", 64)
	pair("text_model.final_layer_norm", 64)
	put("vision_model.embeddings.class_embedding", 64)
	put("vision_model.embeddings.patch_embedding.weight", 64, 3, 4, 4)
	put("vision_model.embeddings.position_embedding.weight", 5, 64)
	put("text_model.embeddings.token_embedding.weight", 642, 64)
	put("text_model.embeddings.position_embedding.weight", 6, 64)
	put("visual_projection.weight", 6, 64)
	put("text_projection.weight", 6, 64)
	return w
}

func TestTheActivationIsSaidByOneAndContradictedByNobody(t *testing.T) {
	openAIs := toyCLIP()
	for _, name := range []string{"input_resolution", "context_length", "vocab_size"} {
		openAIs[name] = dense.Of([]float32{1})
	}
	state := tcl.ReferenceState(toy, toyCLIP(), numbers(tcl.Trainables(toy)))
	const openCLIP, huggingFaces = "open_clip_config.json", "config.json"
	cases := map[string]struct {
		weights      tcl.Weights
		beside, json string
		asked        string
		activation   string // where it is taken, and by whom it is said
		by           string
		says         string // where it is refused
	}{
		"nobody says":                     {weights: toyCLIP(), says: "nothing says"},
		"the flag, exact":                 {weights: toyCLIP(), asked: "gelu", activation: "gelu", by: "--activation"},
		"the flag, quick":                 {weights: toyCLIP(), asked: "quick_gelu", activation: "quick_gelu", by: "--activation"},
		"the flag, another":               {weights: toyCLIP(), asked: "relu", says: `--activation: activation "relu"`},
		"OpenAI's archive":                {weights: openAIs, activation: "quick_gelu", by: "OpenAI's"},
		"OpenAI's archive, contradicted":  {weights: openAIs, asked: "gelu", says: "--activation says gelu, but an archive of OpenAI's says quick_gelu"},
		"the reference":                   {weights: state, activation: "quick_gelu", by: "TCL"},
		"the reference on another CLIP":   {weights: state, asked: "gelu", activation: "gelu", by: "--activation"},
		"open_clip, exact":                {toyCLIP(), openCLIP, `{"model_cfg": {"embed_dim": 512}}`, "", "gelu", openCLIP, ""},
		"open_clip, exact, confirmed":     {toyCLIP(), openCLIP, `{"model_cfg": {}}`, "gelu", "gelu", openCLIP, ""},
		"open_clip, exact, contradicted":  {toyCLIP(), openCLIP, `{"model_cfg": {}}`, "quick_gelu", "", "", "--activation says quick_gelu, but open_clip_config.json says gelu"},
		"open_clip, quick":                {toyCLIP(), openCLIP, `{"model_cfg": {"quick_gelu": true}}`, "", "quick_gelu", openCLIP, ""},
		"open_clip, quick, contradicted":  {toyCLIP(), openCLIP, `{"model_cfg": {"quick_gelu": true}}`, "gelu", "", "", "but open_clip_config.json says quick_gelu"},
		"open_clip, damaged":              {toyCLIP(), openCLIP, `{`, "gelu", "", "", "open_clip_config.json: "},
		"Hugging Face, exact":             {huggingFace(), huggingFaces, `{"text_config": {"hidden_act": "gelu"}, "vision_config": {"hidden_act": "gelu"}}`, "", "gelu", huggingFaces, ""},
		"Hugging Face, one tower":         {huggingFace(), huggingFaces, `{"text_config": {"hidden_act": "gelu"}}`, "", "quick_gelu in the image tower and gelu in the text tower", huggingFaces, ""},
		"Hugging Face, one, contradicted": {huggingFace(), huggingFaces, `{"text_config": {"hidden_act": "gelu"}}`, "gelu", "", "", "but config.json says quick_gelu in the image tower"},
		"Hugging Face, quick":             {huggingFace(), huggingFaces, `{"vision_config": {"hidden_act": "quick_gelu", "num_attention_heads": 1}}`, "", "quick_gelu", huggingFaces, ""},
		"Hugging Face, another":           {huggingFace(), huggingFaces, `{"vision_config": {"hidden_act": "gelu_new"}}`, "", "", "", `vision_config.hidden_act: activation "gelu_new"`},
		"Hugging Face, heads":             {huggingFace(), huggingFaces, `{"vision_config": {"num_attention_heads": 16}}`, "", "", "", "num_attention_heads is 16"},
		"Hugging Face, no config":         {weights: huggingFace(), says: "nothing says"},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			if c.beside != "" {
				write(t, dir, c.beside, []byte(c.json))
			}
			args := []string{toyFile(t, dir, "model.bin", c.weights, nil)}
			if c.asked != "" {
				args = append(args, "--activation", c.asked)
			}
			if c.says != "" {
				if done := command(t, append([]string{"import"}, args...)...); done.code != exitBadInput || !strings.Contains(done.err.Error(), c.says) {
					t.Errorf("code %d, %v; wanted %q", done.code, done.err, c.says)
				}
				return
			}
			report, config, _ := imported(t, args...)
			if report.Activation != c.activation || !strings.Contains(report.SaidBy, c.by) || config != report.Config || config.Activations() != c.activation {
				t.Errorf("%+v, written as %+v", report, config)
			}
		})
	}
}

// embedded returns what clip embed makes of a text.
func embedded(t *testing.T, weights string) []float32 {
	t.Helper()
	done := command(t, "clip", "embed", "--weights", weights, "--text", "a fish", "--json")
	if done.code != exitDone {
		t.Fatal(done.err)
	}
	var e embeddings
	if err := json.Unmarshal([]byte(done.out), &e); err != nil {
		t.Fatal(err)
	}
	return e.Texts[0]
}

func TestTheActivationOfAnImportedFileIsThatOfItsUses(t *testing.T) {
	dir := t.TempDir()
	src := toyFile(t, dir, "model.bin", toyCLIP(), nil)
	features := map[string][]float32{}
	for _, activation := range []string{"gelu", "quick_gelu"} {
		first, pth, again := filepath.Join(dir, activation+".safetensors"), filepath.Join(dir, activation+".pth"), filepath.Join(dir, activation+"-again.safetensors")
		for _, args := range [][]string{
			{"import", src, "--activation", activation, "--to", first},
			{"export", first, "--to", pth},
			{"export", first, "--to", again},
		} {
			if done := command(t, args...); done.code != exitDone {
				t.Fatal(done.err)
			}
		}
		features[activation] = embedded(t, first)
		if !slices.Equal(embedded(t, again), features[activation]) {
			t.Errorf("%s: other features after an export", activation)
		}
		if done := command(t, "import", first, "--activation", "gelu"); (done.code == exitDone) != (activation == "gelu") {
			t.Errorf("%s: the metadata are not compared with --activation gelu: code %d", activation, done.code)
		}
		if done := command(t, "import", pth); done.code != exitBadInput {
			t.Errorf("%s: a .pth says nothing, but code %d", activation, done.code)
		}
	}
	if slices.Equal(features["gelu"], features["quick_gelu"]) {
		t.Error("both activations give the same features")
	}
}

func TestARunFileNamesTheActivationOfAFileThatDoesNot(t *testing.T) {
	dir := t.TempDir()
	quick, exact := toy, toy.WithActivation(tcl.GELU)
	silent := toyFile(t, dir, "silent.safetensors", toyCLIP(), nil)
	named := toyFile(t, dir, "named.safetensors", toyCLIP(), map[string]string{tcl.ActivationKey: "gelu"})
	for what, c := range map[string]struct {
		file, activation string
		want             tcl.Config
		says             string
	}{
		"nobody":       {silent, "", quick, ""},
		"the run file": {silent, "gelu", exact, ""},
		"the weights":  {named, "", exact, ""},
		"both":         {named, "gelu", exact, ""},
		"two ways":     {named, "quick_gelu", quick, "model.activation is quick_gelu, but the metadata of model.clip " + named + " say gelu"},
		"the demo's":   {"builtin:world", "gelu", quick, "say quick_gelu"},
	} {
		m := proto.Model{CLIP: c.file, Vocabulary: "builtin:world"}
		if c.activation != "" {
			m.Activation = &c.activation
		}
		a, err := assembleModel(&proto.RunFile{Model: m})
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", what, err)
			}
		} else if err != nil || a.config != c.want {
			t.Errorf("%s: %v, %+v", what, err, a)
		}
	}
}

// worldRun is a run whose checkpoint is the initial grounder of the demo's CLIP.
func worldRun(t *testing.T) (dir string, a *assembly, ground tcl.Weights) {
	t.Helper()
	file, err := proto.ParseRunFile("world.yaml", examples.World)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = assembleModel(file); err != nil {
		t.Fatal(err)
	}
	ground = a.initialGrounder()
	s := &checkpoint.State{Step: 7}
	for _, p := range tcl.Trainables(a.config) {
		zero := dense.Of(make([]float32, p.Len()), p.Shape...)
		s.Names, s.Params, s.Updates = append(s.Names, p.Name), append(s.Params, ground[p.Name]), append(s.Updates, 7)
		s.M1, s.M2 = append(s.M1, zero), append(s.M2, zero)
	}
	file.Store = "file://" + t.TempDir()
	dir = t.TempDir()
	record, err := json.Marshal(RunRecord{Run: "done", File: *file})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "done"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "done"), recordFile, record)
	st, err := store.Open(t.Context(), file.Store)
	if err != nil {
		t.Fatal(err)
	}
	m := checkpoint.NewManifest(checkpoint.Lineage{Run: "done"}, checkpoint.Writer{Epoch: 1, Nonce: "w"}, s, checkpoint.Identity{Frozen: a.frozen})
	if _, err := checkpoint.Save(t.Context(), st, m, s); err != nil {
		t.Fatal(err)
	}
	return dir, a, ground
}

func TestARunIsExportedWholeUnderTheReferencesNames(t *testing.T) {
	runs, a, ground := worldRun(t)
	want := tcl.ReferenceState(a.config, a.clip, ground)
	out := t.TempDir()
	for _, name := range []string{"run.pth", "run.safetensors"} {
		if done := command(t, "export", "done", "--dir", runs, "--to", filepath.Join(out, name)); done.code != exitDone {
			t.Fatal(done.err)
		}
	}
	data := contentsOf(t, filepath.Join(out, "run.pth"))
	archive, err := torch.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil || len(archive.Tensors) != len(want) {
		t.Fatalf("%v, %v", archive, err)
	}
	plain, err := safetensors.Read(contentsOf(t, filepath.Join(out, "run.safetensors")))
	if err != nil || len(plain.Tensors) != len(want) || plain.Metadata["textground.step"] != "7" || plain.Metadata["textground.frozen"] != a.frozen {
		t.Fatalf("%v, %v", plain, err)
	}
	for name, values := range want {
		inArchive, err := archive.Float32s("model." + name)
		inPlain, err2 := plain.Float32s(name)
		if err := errors.Join(err, err2); err != nil || !slices.Equal(inArchive, dense.Floats(values)) || !slices.Equal(inPlain, dense.Floats(values)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatWasExportedIsImportedAndSegments(t *testing.T) {
	runs, a, ground := worldRun(t)
	dir := t.TempDir()
	first, again, back := filepath.Join(dir, "first.safetensors"), filepath.Join(dir, "again.safetensors"), filepath.Join(dir, "back.pth")
	for _, args := range [][]string{
		{"export", "done", "--dir", runs, "--to", first},
		{"import", first, "--to", again},
		{"export", again, "--to", back},
	} {
		if done := command(t, args...); done.code != exitDone {
			t.Fatal(done.err)
		}
	}
	f, err := safetensors.Read(contentsOf(t, again))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tcl.LoadGrounder(again, f, a.config); err != nil || !slices.Equal(got.Flat(tcl.Trainables(a.config)), ground.Flat(tcl.Trainables(a.config))) {
		t.Error("another grounder", err)
	}
	picture := write(t, dir, "a.jpg", world.Draw(1000, world.EvalFirst).JPEG())
	for _, weights := range []string{first, again} { // no run is needed: the file has its CLIP
		if done := command(t, "segment", picture, "--text", "fish, tree", "--weights", weights, "--out", filepath.Join(dir, "masks")); done.code != exitDone {
			t.Error(done.err)
		}
	}
}

func TestExportOfAFileOrWithoutAGoalIsChecked(t *testing.T) {
	runs, _, _ := worldRun(t)
	clip := toyFile(t, t.TempDir(), "clip.safetensors", toyCLIP(), map[string]string{tcl.ActivationKey: "quick_gelu"})
	back := filepath.Join(t.TempDir(), "clip.pth")
	if done := command(t, "export", clip, "--to", back); done.code != exitDone {
		t.Fatal(done.err)
	}
	data := contentsOf(t, back)
	f, err := torch.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil || f.Tensors[0].Name != slices.Sorted(maps.Keys(toyCLIP()))[0] {
		t.Errorf("%v, %v", f, err)
	}
	for says, args := range map[string][]string{
		"give one of them":          {"export", "done", "--dir", runs},
		"must end in":               {"export", "done", "--dir", runs, "--to", "x.onnx"},
		"is a file; --npy and":      {"export", clip, "--to", "x.pth", "--step", "3"},
		"no checkpoint of step 3":   {"export", "done", "--dir", runs, "--to", "x.pth", "--step", "3"},
		"is not in":                 {"export", "nope", "--dir", runs, "--to", "x.pth"},
		"nothing to embed":          {"clip", "embed"},
		"holds no CLIP":             {"clip", "embed", "--text", "x", "--weights", grounderFile(t)},
		"but CLIP's vocabulary has": {"clip", "embed", "--text", "x", "--weights", toyFile(t, t.TempDir(), "odd.safetensors", oddVocabulary(), nil)},
	} {
		if done := command(t, args...); done.code != exitBadInput || !strings.Contains(done.err.Error(), says) {
			t.Errorf("%v: code %d, %v", args, done.code, done.err)
		}
	}
}

func oddVocabulary() tcl.Weights {
	odd := toy
	odd.Text.Vocab = 99
	return numbers(tcl.CLIPParameters(odd))
}

func TestEmbeddingsOfTheBuiltInCLIPTellAFishFromATree(t *testing.T) {
	s := world.Draw(1000, world.EvalFirst)
	picture := write(t, t.TempDir(), "a.jpg", s.JPEG())
	done := command(t, "clip", "embed", "--text", "a fish", "--text", "a tree", "--image", picture, "--json")
	if done.code != exitDone {
		t.Fatal(done.err)
	}
	var e embeddings
	if err := json.Unmarshal([]byte(done.out), &e); err != nil || len(e.Texts) != 2 || len(e.Images) != 1 || len(e.Cosines[0]) != 2 || len(e.Tokens[0]) != 16 || len(e.Frozen) != 64 {
		t.Errorf("%+v, %v", e, err)
	}
	if plain := command(t, "clip", "embed", "--text", "a fish", "--image", picture); plain.code != exitDone || !strings.Contains(plain.out, "cosine") {
		t.Errorf("%v, %v", plain.out, plain.err)
	}
}
