package tcl

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/textground/textground/checkpoint/torch"
	"github.com/textground/textground/internal/dense"
)

// small has heads of 64 channels, as no metadata says otherwise.
var small = Config{
	Vision: Vision{Image: 8, Patch: 4, Width: 128, Layers: 2, Heads: 2, Embed: 6},
	Text:   Text{Context: 6, Vocab: 16, Width: 64, Layers: 3, Heads: 1},
}

// source is weights as a file would hold them.
func source(w Weights) Source {
	s := Source{Load: func(name string) (*tensor.Dense, error) { return w[name], nil }}
	for _, name := range w.Names() {
		s.Tensors = append(s.Tensors, Parameter{name, dense.Shape(w[name])})
	}
	return s
}

// foreign puts a CLIP into the words of others, behind a prefix.
func foreign(d dialect, w Weights, prefix string) Weights {
	out := Weights{}
	for name, t := range w {
		o, values, shape := d.origin(name), w.Values(name), dense.Shape(t)
		if o.transposed {
			values = transposed(values, shape[0], shape[1])
			slices.Reverse(shape)
		}
		part := len(values) / len(o.names)
		if len(o.names) > 1 {
			shape[0] /= len(o.names)
		}
		for i, name := range o.names {
			out[prefix+name] = dense.Of(values[i*part:(i+1)*part], shape...)
		}
	}
	return out
}

func TestEveryDialectGivesTheSameCLIP(t *testing.T) {
	want := newDraws(t, 1).weights(CLIPParameters(small))
	for _, d := range dialects {
		for _, prefix := range []string{"", "state_dict.module."} {
			file := foreign(d, want, prefix)
			file[prefix+"logit_scale"] = dense.Of([]float32{4.6})
			got, err := Import("x", source(file))
			if err != nil {
				t.Errorf("%s: %v", d.name, err)
				continue
			}
			if got.Config != small || got.Names != d.name || !slices.Equal(got.Dropped, []string{prefix + "logit_scale"}) || got.Grounder != nil {
				t.Errorf("%s: %+v, dropped %v", d.name, got.Config, got.Dropped)
			}
			if !slices.Equal(got.CLIP.Flat(CLIPParameters(small)), want.Flat(CLIPParameters(small))) {
				t.Errorf("%s: other values", d.name)
			}
		}
	}
}

func TestTheModelsOfOpenAIAreKnownByTheirShapes(t *testing.T) {
	text := Text{Context: 77, Vocab: 49408, Width: 512, Layers: 12, Heads: 8}
	wide := Text{Context: 77, Vocab: 49408, Width: 768, Layers: 12, Heads: 12}
	for _, want := range []Config{
		{Vision{224, 32, 768, 12, 12, 512, QuickGELU}, text},
		{Vision{224, 16, 768, 12, 12, 512, QuickGELU}, text},
		{Vision{224, 14, 1024, 24, 16, 768, QuickGELU}, wide},
		{Vision{336, 14, 1024, 24, 16, 768, QuickGELU}, wide},
	} {
		for _, d := range dialects {
			s := Source{}
			for _, p := range CLIPParameters(want) {
				o := d.origin(p.Name)
				for _, name := range o.names {
					s.Tensors = append(s.Tensors, Parameter{name, o.wanted(p.Shape)})
				}
			}
			r, err := newImporter("x", s)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.clipConfig(); err != nil || got != want {
				t.Errorf("%s: %+v, %v; wanted %+v", d.name, got, err, want)
			}
		}
	}
}

func TestHuggingFaceNamesAreThoseOfCLIPModel(t *testing.T) {
	for ours, theirs := range map[string]string{
		"visual.ln_pre.weight":                              "vision_model.pre_layrnorm.weight",
		"visual.transformer.resblocks.11.attn.in_proj_bias": "vision_model.encoder.layers.11.self_attn.q_proj.bias vision_model.encoder.layers.11.self_attn.k_proj.bias vision_model.encoder.layers.11.self_attn.v_proj.bias",
		"transformer.resblocks.0.attn.out_proj.weight":      "text_model.encoder.layers.0.self_attn.out_proj.weight",
		"transformer.resblocks.0.ln_2.bias":                 "text_model.encoder.layers.0.layer_norm2.bias",
		"transformer.resblocks.3.mlp.c_proj.weight":         "text_model.encoder.layers.3.mlp.fc2.weight",
		"ln_final.bias": "text_model.final_layer_norm.bias",
		"visual.proj":   "visual_projection.weight",
	} {
		if got := strings.Join(huggingFaceOrigin(ours).names, " "); got != theirs {
			t.Errorf("%s is %s, wanted %s", ours, got, theirs)
		}
	}
}

func TestAReferenceStateIsReadBackWhole(t *testing.T) {
	d := newDraws(t, 2)
	clip, ground := d.weights(CLIPParameters(small)), d.weights(Trainables(small))
	state := ReferenceState(small, clip, ground)
	for _, name := range []string{"clip_image_encoder.clip_visual.conv1.weight", "clip_image_encoder.clip_proj.ln.weight", "clip_image_encoder.clip_proj.proj",
		"clip_text_encoder.token_embedding.weight", "masker.image_encoder.backbone.transformer.resblocks.1.ln_1.weight"} {
		if state[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	got, err := Import("x", source(state))
	if err != nil {
		t.Fatal(err)
	}
	if got.Config != small || len(got.Dropped) > 0 ||
		!slices.Equal(got.CLIP.Flat(CLIPParameters(small)), clip.Flat(CLIPParameters(small))) ||
		!slices.Equal(got.Grounder.Flat(Trainables(small)), ground.Flat(Trainables(small))) {
		t.Errorf("%+v, dropped %v", got.Config, got.Dropped)
	}
}

func TestAMaskerBlockThatIsCalledZeroIsFound(t *testing.T) {
	d := newDraws(t, 3)
	clip, ground := d.weights(CLIPParameters(small)), d.weights(Trainables(small))
	state := Weights{}
	for name, values := range ReferenceState(small, clip, ground) {
		if tail, ok := strings.CutPrefix(name, maskerPrefix(small)); ok {
			name = maskerBlockPrefix(0) + tail
		}
		state["model."+name] = values
	}
	got, err := Import("x", source(state))
	if err != nil || !slices.Equal(got.Grounder.Flat(Trainables(small)), ground.Flat(Trainables(small))) {
		t.Errorf("%v", err)
	}
}

func TestWhatWouldBeSilentlyWrongIsRefusedByName(t *testing.T) {
	base := newDraws(t, 4).weights(CLIPParameters(small))
	huge := small
	huge.Vision.Width, huge.Vision.Heads, huge.Vision.Layers = 1280, 16, 1
	one := func(shape ...int) *tensor.Dense {
		return dense.Of(make([]float32, Parameter{Shape: shape}.Len()), shape...)
	}
	cases := map[string]struct {
		w    Weights
		says []string
	}{
		"layer scale":          {with(base, "visual.transformer.resblocks.0.ls_1.gamma", one(128)), []string{"a.pt", "ls_1.gamma", "[128]"}},
		"a text tower's extra": {with(base, "transformer.extra", one(1)), []string{"transformer.extra"}},
		"ResNet":               {with(base, "visual.layer1.0.conv1.weight", one(1)), []string{"visual.layer1.0.conv1.weight", "ResNet", "ViT-B/16"}},
		"ViT-H/14":             {newDraws(t, 5).weights(CLIPParameters(huge)), []string{"1280 wide", "64 channels a head"}},
		"text tower apart":     {with(base, "token_embedding.weight", nil), []string{"token_embedding.weight"}},
		"two models":           {with(base, "clip_image_encoder.clip_visual.conv1.weight", one(1)), []string{"one model"}},
		"no CLIP":              {Weights{"x": one(1)}, []string{"vision_model.", "both CLIP towers"}},
		"grid":                 {with(base, "visual.positional_embedding", one(6, 128)), []string{"visual.positional_embedding", "[6 128]", "[5 128]"}},
		"half a grounder":      {with(base, "masker.sim2mask.w", one()), []string{"masker.", "missing"}},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			_, err := Import("a.pt", source(c.w))
			wantError(t, err, c.says...)
		})
	}
	apart := foreign(dialects[1], base, "")
	apart["vision_model.encoder.layers.0.self_attn.k_proj.bias"] = one(64)
	_, err := Import("a.pt", source(apart))
	wantError(t, err, "k_proj.bias", "[64]", "q_proj.bias")
}

// with changes one tensor, or takes it away.
func with(w Weights, name string, t *tensor.Dense) Weights {
	out := maps.Clone(w)
	out[name] = t
	if t == nil {
		delete(out, name)
	}
	return out
}

func TestHarmlessExtrasAreDropped(t *testing.T) {
	base := newDraws(t, 6).weights(CLIPParameters(small))
	file := foreign(dialects[1], base, "")
	file["text_model.embeddings.position_ids"] = dense.Of(make([]float32, 6), 1, 6)
	got, err := Import("x", source(file))
	if err != nil || !slices.Equal(got.Dropped, []string{"text_model.embeddings.position_ids"}) {
		t.Errorf("%v, %v", got, err)
	}
}

// The masked image's embedding is what training computes; a mask of ones makes it the image's.
func TestEmbedImagesIsTheEmbeddingThatTrainingComputes(t *testing.T) {
	s := newScene(t, 7)
	m := s.model(t, fastest(t), 1)
	images := s.batches[0].Images
	got, err := m.EmbedImages(images)
	if err != nil {
		t.Fatal(err)
	}
	mem := m.training
	a := &arena{dev: m.dev}
	defer a.free()
	pixels := a.upload(images)
	keep := newTowerMemory(a, &m.image, newTokenMemory(a, microBatch, micro.patches(), micro.Vision.Patch, micro.Vision.Width), newBlockMemory(a, microBatch*micro.tokens(), micro.Vision.Width), microBatch, micro.Vision.Embed)
	m.image.classEmbedding(m.dev, pixels, mem.classes, keep)
	want := make([]float32, len(got))
	if err := m.dev.Download(want, keep.end.out); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, training has %v", got[:4], want[:4])
	}
	if _, err := m.EmbedImages(dense.Of(make([]float32, 3*4*4), 1, 3, 4, 4)); err == nil {
		t.Error("accepted images of another size")
	}
}

// FuzzImport takes an archive all the way to a model's weights.
func FuzzImport(f *testing.F) {
	d := newDraws(f, 8)
	tiny := small
	tiny.Vision.Width, tiny.Vision.Heads, tiny.Vision.Layers, tiny.Text.Layers = 64, 1, 1, 1
	state := ReferenceState(tiny, d.weights(CLIPParameters(tiny)), nil)
	var tensors []torch.Named
	for _, name := range state.Names() {
		tensors = append(tensors, torch.Named{Name: name, Shape: dense.Shape(state[name]), Values: state.Values(name)})
	}
	var archive bytes.Buffer
	if err := torch.Write(&archive, "model", tensors); err != nil {
		f.Fatal(err)
	}
	f.Add(archive.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := torch.Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		in, err := Import("a", FromTorch(file))
		if err == nil && (in.Config.Check() != nil || len(in.CLIP) != len(CLIPParameters(in.Config))) {
			t.Errorf("accepted: %+v", in.Config)
		}
	})
}
