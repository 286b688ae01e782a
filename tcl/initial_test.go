package tcl

import (
	"math"
	"slices"
	"testing"
)

func TestInitialGrounderIsAPlainUpsamplerOfCLIP(t *testing.T) {
	s := newScene(t, 101)
	s.ground = InitialGrounder(micro, s.clip, GrounderInit{Scale: 10, Bias: -2.5, Seed: 5})
	m := s.model(t, fastest(t), 1)
	pass, err := m.Forward(s.batches[0], s.texts)
	if err != nil {
		t.Fatal(err)
	}
	v := must(t)(pass.Tensor("v")) // [B, E, side, side]
	side := micro.MaskSide()
	for i, x := range v {
		y, c := i/side%side, i%side
		if corner := i - y%upscale*side - c%upscale; v[corner] != x {
			t.Fatalf("pixel embedding %d is %v, its patch's corner %v", i, x, v[corner])
		}
	}
}

func TestInitialGrounderCopiesDrawsAndFillsByName(t *testing.T) {
	clip := newDraws(t, 102).weights(CLIPParameters(micro))
	w := InitialGrounder(micro, clip, GrounderInit{Scale: 10, Bias: -2.5, Seed: 5})
	if err := w.Check("initial", Trainables(micro)); err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]string{
		maskerPrefix(micro) + "attn.in_proj_weight": "visual.transformer.resblocks.1.attn.in_proj_weight",
		maskerPrefix(micro) + "mlp.c_proj.bias":     "visual.transformer.resblocks.1.mlp.c_proj.bias",
		projectionPrefix + "ln.bias":                "visual.ln_post.bias",
		projectionPrefix + "proj":                   "visual.proj",
	} {
		if !slices.Equal(w.Values(name), clip.Values(source)) {
			t.Errorf("%s is no copy of %s", name, source)
		}
	}
	for name, want := range map[string]float32{
		simPrefix + "w": 10, simPrefix + "b": -2.5, gatedPrefix(1, 0) + "gate.gate": 0,
		gatedPrefix(0, 1) + "norm.weight": 1, gatedPrefix(0, 1) + "norm.bias": 0, scaleImages: float32(math.Log(1 / 0.07)),
	} {
		if w.Values(name)[0] != want {
			t.Errorf("%s begins with %v, not %v", name, w.Values(name)[0], want)
		}
	}
	bound := 1 / math.Sqrt(9*8)
	conv := w.Values(gatedPrefix(1, 1) + "conv.weight")
	if hi := float64(slices.Max(conv)); hi > bound || hi < 0.95*bound {
		t.Errorf("convolution weights reach %v of %v", hi, bound)
	}
}

func TestInitialGrounderDependsOnTheSeedAlone(t *testing.T) {
	clip := newDraws(t, 103).weights(CLIPParameters(micro))
	flat := func(seed uint64) []float32 {
		return InitialGrounder(micro, clip, GrounderInit{Scale: 10, Bias: -2.5, Seed: seed}).Flat(Trainables(micro))
	}
	if !slices.Equal(flat(1), flat(1)) {
		t.Error("one seed gives two starts")
	}
	if slices.Equal(flat(1), flat(2)) {
		t.Error("two seeds give one start")
	}
	w := InitialGrounder(micro, clip, GrounderInit{Seed: 1})
	if slices.Equal(w.Values(gatedPrefix(0, 0)+"conv.weight"), w.Values(gatedPrefix(1, 0)+"conv.weight")) {
		t.Error("two convolutions share their draws")
	}
}
