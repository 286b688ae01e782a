package tcl

import (
	"math"
	"slices"
	"testing"
)

func ground(t *testing.T, m *Model, images []float32, h, w int, texts []float32) *Grounding {
	t.Helper()
	g, err := m.Ground(images, h, w, texts)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGroundMakesTheSoftMasksOfTraining(t *testing.T) {
	s := newScene(t, 201)
	m := s.model(t, fastest(t), 1)
	pass, err := m.Forward(s.batches[1], s.texts)
	if err != nil {
		t.Fatal(err)
	}
	g := ground(t, m, s.batches[1].Images, 8, 8, s.texts)
	if !slices.Equal(g.Soft, must(t)(pass.Tensor("m"))) {
		t.Error("masks differ")
	}
	if g.Rows != 8 || g.GridCols != 2 || len(g.CLIP) != microBatch*microPairs*4 {
		t.Errorf("sizes %+v", g)
	}
}

func TestAModelWithoutAMicroBatchGrounds(t *testing.T) {
	s := newScene(t, 202)
	want := ground(t, s.model(t, fastest(t), 1), s.batches[0].Images, 8, 8, s.texts)
	m, err := NewModel(fastest(t), micro, PaperMethod(), s.clip, s.ground, ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ground(t, m, s.batches[0].Images, 8, 8, s.texts); !slices.Equal(got.Soft, want.Soft) {
		t.Error("masks differ")
	}
	_, err = m.Forward(s.batches[0], s.texts)
	wantError(t, err, "micro-batch")
}

func TestImagesOfOddSizesArePaddedHalfOnEachSide(t *testing.T) {
	s := newScene(t, 203)
	m := s.model(t, fastest(t), 1)
	image := newDraws(t, 204).around(3*6*11, 0, 1) // 6 x 11, padded to 8 x 12
	g := ground(t, m, image, 6, 11, s.texts[:6])
	if g.Height != 8 || g.Width != 12 || g.Top != 1 || g.Left != 0 || g.Rows != 8 || g.Cols != 12 {
		t.Fatalf("%+v", g)
	}
	padded := make([]float32, 3*8*12)
	for c := range 3 {
		for y := range 6 {
			copy(padded[(c*8+y+1)*12:], image[(c*6+y)*11:][:11])
		}
	}
	if want := ground(t, m, padded, 8, 12, s.texts[:6]); !slices.Equal(g.Soft, want.Soft) || !slices.Equal(g.CLIP, want.CLIP) {
		t.Error("padding by hand gives other masks")
	}
}

func TestGroundingDoesNotDependOnTheSizesBefore(t *testing.T) {
	s := newScene(t, 205)
	m := s.model(t, fastest(t), 1)
	image := newDraws(t, 206).around(3*12*8, 0, 1)
	first := ground(t, m, image, 12, 8, s.texts[:12])
	ground(t, m, s.batches[0].Images, 8, 8, s.texts)
	again := ground(t, m, image, 12, 8, s.texts[:12])
	if !slices.Equal(first.Soft, again.Soft) || !slices.Equal(first.CLIP, again.CLIP) {
		t.Error("masks differ")
	}
	for i, x := range first.CLIP {
		if math.Abs(float64(x)) > 1.000001 {
			t.Fatalf("cosine %d is %v", i, x)
		}
	}
}

func TestGroundRefusesWhatIsNoImage(t *testing.T) {
	m := newScene(t, 207).model(t, fastest(t), 1)
	for _, c := range []struct {
		n, h, w, texts int
	}{{191, 8, 8, 6}, {192, 8, 0, 6}, {192, 8, 8, 5}, {0, 8, 8, 6}, {192, 8, 8, 0}} {
		_, err := m.Ground(make([]float32, c.n), c.h, c.w, make([]float32, c.texts))
		wantError(t, err, "grounding")
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
