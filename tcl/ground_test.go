package tcl

import (
	"math"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"github.com/textground/textground/internal/dense"
)

func ground(t *testing.T, m *Model, images *tensor.Dense, texts []float32) *Grounding {
	t.Helper()
	g, err := m.Ground(images, dense.Of(texts, len(texts)/micro.Vision.Embed, micro.Vision.Embed))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func sameMaps(a, b *Grounding) bool {
	return slices.Equal(dense.Floats(a.Soft), dense.Floats(b.Soft)) && slices.Equal(dense.Floats(a.CLIP), dense.Floats(b.CLIP))
}

func TestGroundMakesTheSoftMasksOfTraining(t *testing.T) {
	s := newScene(t, 201)
	m := s.model(t, fastest(t), 1)
	pass, err := m.Forward(s.batches[1], s.texts)
	if err != nil {
		t.Fatal(err)
	}
	g := ground(t, m, s.batches[1].Images, s.texts)
	if !slices.Equal(dense.Floats(g.Soft), must(t)(pass.Tensor("m"))) {
		t.Error("masks differ")
	}
	if soft, clip := dense.Shape(g.Soft), dense.Shape(g.CLIP); !slices.Equal(soft, []int{microBatch, microPairs, 8, 8}) || !slices.Equal(clip, []int{microBatch, microPairs, 2, 2}) {
		t.Errorf("soft masks of shape %v, cosines of %v", soft, clip)
	}
}

func TestAModelWithoutAMicroBatchGrounds(t *testing.T) {
	s := newScene(t, 202)
	want := ground(t, s.model(t, fastest(t), 1), s.batches[0].Images, s.texts)
	m, err := NewModel(fastest(t), micro, PaperMethod(), s.clip, s.ground, ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ground(t, m, s.batches[0].Images, s.texts); !sameMaps(got, want) {
		t.Error("masks differ")
	}
	_, err = m.Forward(s.batches[0], s.texts)
	wantError(t, err, "micro-batch")
}

func TestImagesOfOddSizesArePaddedHalfOnEachSide(t *testing.T) {
	s := newScene(t, 203)
	m := s.model(t, fastest(t), 1)
	image := newDraws(t, 204).around(3*6*11, 0, 1) // 6 x 11, padded to 8 x 12
	g := ground(t, m, dense.Of(image, 1, 3, 6, 11), s.texts[:6])
	if g.Height != 8 || g.Width != 12 || g.Top != 1 || g.Left != 0 || !slices.Equal(dense.Shape(g.Soft), []int{1, 1, 8, 12}) {
		t.Fatalf("%+v", g)
	}
	padded := make([]float32, 3*8*12)
	for c := range 3 {
		for y := range 6 {
			copy(padded[(c*8+y+1)*12:], image[(c*6+y)*11:][:11])
		}
	}
	if want := ground(t, m, dense.Of(padded, 1, 3, 8, 12), s.texts[:6]); !sameMaps(g, want) {
		t.Error("padding by hand gives other masks")
	}
}

func TestGroundingDoesNotDependOnTheSizesBefore(t *testing.T) {
	s := newScene(t, 205)
	m := s.model(t, fastest(t), 1)
	image := dense.Of(newDraws(t, 206).around(3*12*8, 0, 1), 1, 3, 12, 8)
	first := ground(t, m, image, s.texts[:12])
	ground(t, m, s.batches[0].Images, s.texts)
	again := ground(t, m, image, s.texts[:12])
	if !sameMaps(first, again) {
		t.Error("masks differ")
	}
	for i, x := range dense.Floats(first.CLIP) {
		if math.Abs(float64(x)) > 1.000001 {
			t.Fatalf("cosine %d is %v", i, x)
		}
	}
}

func TestGroundRefusesWhatIsNoImage(t *testing.T) {
	m := newScene(t, 207).model(t, fastest(t), 1)
	of := func(shape ...int) *tensor.Dense {
		return dense.Of(make([]float32, Parameter{Shape: shape}.Len()), shape...)
	}
	for what, c := range map[string]struct{ images, texts *tensor.Dense }{
		"[3 8 8], wanted":    {of(3, 8, 8), of(1, 6)},
		"[1 4 8 8], wanted":  {of(1, 4, 8, 8), of(1, 6)},
		"[1 5], wanted":      {of(1, 3, 8, 8), of(1, 5)},
		"float64":            {of(1, 3, 8, 8), dense.Of(make([]float64, 6), 1, 6)},
		"[0 3 8 8] and":      {of(0, 3, 8, 8), of(1, 6)},
		"[1 3 8 0] and":      {of(1, 3, 8, 0), of(1, 6)},
		"texts of shape [0 ": {of(1, 3, 8, 8), of(0, 6)},
		"no tensor":          {nil, of(1, 6)},
	} {
		_, err := m.Ground(c.images, c.texts)
		wantError(t, err, "grounding", what)
	}
}

func TestCuttingTextsChangesNothingButRounding(t *testing.T) {
	s := newScene(t, 208)
	m := s.model(t, fastest(t), 1)
	short := []int32{14, 3, 15, 0, 0, 0}
	long := []int32{14, 5, 6, 7, 8, 15}
	alone := must(t)(m.EmbedTexts([][]int32{short}))
	together := must(t)(m.EmbedTexts([][]int32{short, long}))
	for i, v := range alone {
		if math.Abs(float64(v-together[i])) > 1e-5 {
			t.Errorf("value %d: %v alone, %v beside a longer caption", i, v, together[i])
		}
	}
	if n := len(must(t)(m.EmbedTexts([][]int32{short, long, short, long, short}))); n != 5*micro.Vision.Embed {
		t.Errorf("%d values of 5 captions", n)
	}
}
