package tcl

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/textground/textground/kernels"
)

// plainMLP is mid + c_proj(act(c_fc(LN(mid)))) of one row, in float64 and without the devices' code.
func plainMLP(w Weights, prefix string, mid []float32, act func(float64) float64) []float64 {
	d := len(mid)
	var mean, variance float64
	for _, v := range mid {
		mean += float64(v) / float64(d)
	}
	for _, v := range mid {
		variance += (float64(v) - mean) * (float64(v) - mean) / float64(d)
	}
	normed := make([]float64, d)
	for i, v := range mid {
		gamma, beta := w.Values(prefix + "ln_2.weight")[i], w.Values(prefix + "ln_2.bias")[i]
		normed[i] = (float64(v)-mean)/math.Sqrt(variance+1e-5)*float64(gamma) + float64(beta)
	}
	layer := func(x []float64, name string) []float64 {
		y := widened(w.Values(prefix + name + ".bias"))
		for o := range y {
			for i, v := range x {
				y[o] += float64(w.Values(prefix + name + ".weight")[o*len(x)+i]) * v
			}
		}
		return y
	}
	hidden := layer(normed, "mlp.c_fc")
	for i, x := range hidden {
		hidden[i] = act(x)
	}
	out := layer(hidden, "mlp.c_proj")
	for i := range out {
		out[i] += float64(mid[i])
	}
	return out
}

func TestABlockHasTheActivationThatItIsMadeWith(t *testing.T) {
	for a, act := range map[Activation]func(float64) float64{
		QuickGELU: func(x float64) float64 { return x / (1 + math.Exp(-1.702*x)) },
		GELU:      func(x float64) float64 { return x * (1 + math.Erf(x/math.Sqrt2)) / 2 },
	} {
		t.Run(a.String(), func(t *testing.T) {
			const rows, width, prefix = 3, 8, "b."
			d := newDraws(t, 51)
			w, dev := d.weights(blockParameters(prefix, width)), fastest(t)
			mem := &arena{dev: dev}
			defer mem.free()
			b := newBlock(func(name string) kernels.Tensor { return mem.upload(w[name]) }, prefix, a)
			values := d.around(rows*width, 0, 2)
			mid, out := mem.floats(rows, width), mem.floats(rows, width)
			dev.Upload(mid, values)
			b.mlp(dev, out, mid, newBlockMemory(mem, rows, width).mlp)
			got := make([]float32, rows*width)
			if err := dev.Download(got, out); err != nil {
				t.Fatal(err)
			}
			for r := range rows {
				for i, want := range plainMLP(w, prefix, values[r*width:][:width], act) {
					if math.Abs(float64(got[r*width+i])-want) > 1e-5 {
						t.Errorf("row %d, value %d: %v, wanted %v", r, i, got[r*width+i], want)
					}
				}
			}
		})
	}
}

func TestEachTowerHasItsOwnActivation(t *testing.T) {
	s, dev := newScene(t, 52), fastest(t)
	fixed := newDraws(t, 54).around(3*micro.Vision.Embed, 0, 1)
	compute := func(image, text Activation) (images, texts []float32, masks *Grounding) {
		s.cfg.Vision.Activation, s.cfg.Text.Activation = image, text
		m := s.modelOf(t, dev, PaperMethod(), 1)
		return must(t)(m.EmbedImages(s.batches[0].Images)), s.texts, ground(t, m, s.batches[0].Images, fixed)
	}
	images, texts, masks := compute(QuickGELU, QuickGELU)
	for _, c := range []struct{ image, text Activation }{{QuickGELU, GELU}, {GELU, QuickGELU}, {GELU, GELU}} {
		otherImages, otherTexts, otherMasks := compute(c.image, c.text)
		sameImages, sameTexts := slices.Equal(images, otherImages), slices.Equal(texts, otherTexts)
		if sameImages != (c.image == QuickGELU) || sameMaps(masks, otherMasks) != sameImages || sameTexts != (c.text == QuickGELU) {
			t.Errorf("%v in the image tower and %v in the text tower: same images %v, same texts %v", c.image, c.text, sameImages, sameTexts)
		}
	}
}

func TestQuickGELUIsNotWritten(t *testing.T) {
	quick, err := json.Marshal(small)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"vision":{"image":8,"patch":4,"width":128,"layers":2,"heads":2,"embed":6},"text":{"context":6,"vocab":16,"width":64,"layers":3,"heads":1}}`; string(quick) != want {
		t.Errorf("%s: not as files have it that were written before", quick)
	}
	exact, err := json.Marshal(small.WithActivation(GELU))
	if err != nil {
		t.Fatal(err)
	}
	var back Config
	if err := json.Unmarshal(exact, &back); err != nil || back != small.WithActivation(GELU) {
		t.Errorf("%s is read as %+v, %v", exact, back, err)
	}
	wantError(t, json.Unmarshal([]byte(`{"text": {"activation": "gelu_new"}}`), &back), `"gelu_new"`, "quick_gelu or gelu")
}

func TestMetadataNameTheActivation(t *testing.T) {
	config := func(c Config) string {
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	exact, half := small.WithActivation(GELU), small
	half.Text.Activation = GELU
	file := source(newDraws(t, 53).weights(CLIPParameters(small)))
	for what, c := range map[string]struct {
		metadata map[string]string
		want     Config
		named    bool
		says     []string // of the refusal
	}{
		"nothing":               {nil, small, false, nil},
		"the key":               {map[string]string{ActivationKey: "gelu"}, exact, true, nil},
		"the key, QuickGELU":    {map[string]string{ActivationKey: "quick_gelu"}, small, true, nil},
		"the sizes, without":    {map[string]string{"config": config(small)}, small, true, nil},
		"the sizes":             {map[string]string{"config": config(exact)}, exact, true, nil},
		"the sizes, one tower":  {map[string]string{"config": config(half)}, half, true, nil},
		"both":                  {map[string]string{"config": config(exact), ActivationKey: "gelu"}, exact, true, nil},
		"both, in disagreement": {map[string]string{"config": config(small), ActivationKey: "gelu"}, small, true, []string{"says gelu", "says quick_gelu"}},
		"both, half agreeing":   {map[string]string{"config": config(half), ActivationKey: "gelu"}, half, true, []string{"says gelu", "quick_gelu in the image tower and gelu in the text tower"}},
		"another":               {map[string]string{ActivationKey: "relu"}, small, true, []string{"a.safetensors", `"relu"`}},
	} {
		t.Run(what, func(t *testing.T) {
			file.Metadata = c.metadata
			in, err := Import("a.safetensors", file)
			if named := NamesActivation(c.metadata); named != c.named {
				t.Errorf("named: %v", named)
			}
			if c.says != nil {
				wantError(t, err, c.says...)
			} else if err != nil || in.Config != c.want {
				t.Errorf("%+v, %v", in, err)
			}
		})
	}
}
