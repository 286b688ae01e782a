package segment

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/dataset"
	"github.com/textground/textground/examples"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/tcl"
)

// newModel is an untrained grounder on the built-in CLIP, on the fastest device.
func newModel(t testing.TB) (*tcl.Model, kernels.Device, *dataset.Tokenizer) {
	t.Helper()
	f := must(safetensors.Read(examples.WorldCLIP))
	config, clip, err := tcl.LoadCLIP("builtin:world", f)
	if err != nil {
		t.Fatal(err)
	}
	dev := must(devices.Open("auto", 2))
	ground := tcl.InitialGrounder(config, clip, tcl.GrounderInit{Scale: 10, Bias: -2.5, Seed: 1})
	model := must(tcl.NewModel(dev, config, tcl.PaperMethod(), clip, ground, tcl.ModelOptions{}))
	t.Cleanup(func() {
		model.Close()
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	return model, dev, dataset.NewTokenizer(must(dataset.OpenVocabulary(examples.WorldVocabulary)), config.Text.Context)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func segmenterWith(t testing.TB, change func(*Protocol)) *Segmenter {
	t.Helper()
	model, dev, tok := newModel(t)
	p := WorldProtocol(64, 0.2)
	change(&p)
	return must(New(model, dev, tok, p))
}

func scene(t testing.TB, i int) Sample {
	t.Helper()
	return must(WorldScene(1000, i))
}

// noise is a picture of random pixels.
func noise(width, height int, seed uint64) *dataset.Image {
	r := philox.NewKey(seed, philox.Test).Stream(0, 0, 0)
	img := &dataset.Image{Width: width, Height: height, Pix: make([]uint8, 3*width*height)}
	for i := range img.Pix {
		img.Pix[i] = uint8(r.Uint32())
	}
	return img
}

func TestTheScoresOfAnImageDoNotDependOnTheImagesBesideIt(t *testing.T) {
	s := segmenterWith(t, func(p *Protocol) { p.PAMR, p.CLIPMix = true, 0.3 })
	classes := must(s.Classes([][]string{{"fish"}, {"tree", "house"}, {"moon"}}))
	images := []*dataset.Image{noise(90, 70, 1), scene(t, 0).Image, scene(t, 1).Image, noise(64, 90, 2)}
	together := must(s.Scores(classes, images...))
	for i, image := range images {
		alone := must(s.Scores(classes, image))[0]
		if _, err := dense.Values[float32](alone.Values, 4, image.Height, image.Width); err != nil || len(alone.Names) != 4 {
			t.Fatalf("scores for %v: %v", alone.Names, err)
		}
		if !slices.Equal(dense.Floats(alone.Values), dense.Floats(together[i].Values)) {
			t.Errorf("image %d of %dx%d", i, image.Width, image.Height)
		}
	}
}

func TestScoresAreFiniteForImagesOfEveryShape(t *testing.T) {
	s := segmenterWith(t, func(p *Protocol) { p.PAMR, p.CLIPMix = true, 0.3 })
	classes := must(s.Classes([][]string{{"fish"}, {"cat"}}))
	for _, size := range [][2]int{{1, 1}, {1, 300}, {700, 3}, {83, 65}} {
		for i, v := range dense.Floats(must(s.Scores(classes, noise(size[0], size[1], 3)))[0].Values) {
			if !(v >= 0 && v <= 1) {
				t.Fatalf("%v: score %d is %v", size, i, v)
			}
		}
	}
}

func TestTheThresholdIsTheScoreOfTheBackground(t *testing.T) {
	for _, test := range []struct {
		threshold float64
		rest      bool
	}{{0, false}, {1, true}} {
		s := segmenterWith(t, func(p *Protocol) { p.Threshold = test.threshold })
		classes := must(s.Classes([][]string{{"fish"}, {"cat"}}))
		for _, v := range must(s.Scores(classes, scene(t, 0).Image))[0].Labels().Pix() {
			if (v == 0) != test.rest {
				t.Fatalf("threshold %v: label %d", test.threshold, v)
			}
		}
	}
	s := segmenterWith(t, func(p *Protocol) { p.Background = false })
	scores := must(s.Scores(must(s.Classes([][]string{{"fish"}, {"cat"}})), scene(t, 0).Image))[0]
	if !slices.Equal(scores.Names, []string{"fish", "cat"}) {
		t.Errorf("without a background there are %v", scores.Names)
	}
}

func TestACLIPMixOfOneShowsCLIPAlone(t *testing.T) {
	s := segmenterWith(t, func(p *Protocol) { p.CLIPMix = 1 })
	classes := must(s.Classes([][]string{{"fish"}}))
	before := must(s.Scores(classes, scene(t, 0).Image))[0]
	params := make([]float32, len(must(s.model.Parameters()).Flat(tcl.Trainables(s.model.Config()))))
	if err := s.model.SetParameters(params); err != nil { // a grounder of zeros
		t.Fatal(err)
	}
	if after := must(s.Scores(classes, scene(t, 0).Image))[0]; !slices.Equal(dense.Floats(after.Values), dense.Floats(before.Values)) {
		t.Error("the grounder has a say in CLIP's scores")
	}
}

func TestNamesOfAClassAreAveraged(t *testing.T) {
	s := segmenterWith(t, func(*Protocol) {})
	both := must(s.Classes([][]string{{"fish", "cat"}, {"cat", "fish"}}))
	one := must(s.Classes([][]string{{"fish"}}))
	values, single := dense.Floats(both.Embeddings), dense.Floats(one.Embeddings)
	width := len(single)
	for k := range width {
		if d := values[k] - values[width+k]; d > 1e-6 || d < -1e-6 {
			t.Fatalf("the order of names matters: %v", d)
		}
	}
	if slices.Equal(values[:width], single) {
		t.Error("the second name changes nothing")
	}
	square := 0.0
	for _, v := range single {
		square += float64(v) * float64(v)
	}
	if math.Abs(square-1) > 1e-5 || both.Names[1] != "cat" {
		t.Errorf("length %v, names %v", square, both.Names)
	}
}

func TestEvaluationCountsWhatSegmentationFinds(t *testing.T) {
	s := segmenterWith(t, func(*Protocol) {})
	classes := must(s.Classes(WorldClasses()))
	samples := []Sample{
		scene(t, 0), scene(t, 1), {Name: "small", Image: noise(40, 48, 5), Truth: NewLabelMap(48, 40, scene(t, 2).Truth.Pix()[:40*48])}, scene(t, 3),
	}
	set := func(yield func(Sample, error) bool) {
		for _, sample := range samples {
			if !yield(sample, nil) {
				return
			}
		}
	}
	told := 0
	result := must(s.Evaluate(context.Background(), set, classes, func(n int) { told = n }))
	want := NewConfusion(17)
	for _, sample := range samples {
		if err := want.Add(sample.Truth, must(s.Scores(classes, sample.Image))[0].Labels()); err != nil {
			t.Fatal(err)
		}
	}
	if have := slices.Concat(result.Confusion...); !slices.Equal(have, want.Counts) || *result.MIoU != want.MeanIoU() || result.Images != 4 || told != 4 {
		t.Errorf("%d images, told of %d, mIoU %v, not %v", result.Images, told, *result.MIoU, want.MeanIoU())
	}
	if result.Classes[1].Name != "fish" || result.Protocol.Threshold != 0.2 {
		t.Errorf("%+v", result.Classes[1])
	}
}

func TestWithoutABackgroundItsPixelsMayBeLeftOut(t *testing.T) {
	s := segmenterWith(t, func(p *Protocol) { p.Background, p.ZeroIgnored = false, true })
	result := must(s.Evaluate(context.Background(), World(1000, 3), must(s.Classes(WorldClasses())), nil))
	var counted, things int64
	for i := range 3 {
		for _, v := range scene(t, i).Truth.Pix() {
			if v != 0 {
				things++
			}
		}
	}
	for _, class := range result.Classes {
		counted += class.Pixels
	}
	if counted != things || len(result.Classes) != 16 {
		t.Errorf("%d pixels of %d classes counted, %d belong to things", counted, len(result.Classes), things)
	}
}

func TestEvaluationNamesTheImageThatDoesNotFit(t *testing.T) {
	s := segmenterWith(t, func(*Protocol) {})
	set := func(yield func(Sample, error) bool) {
		sample := scene(t, 0)
		sample.Name, sample.Truth.Pix()[70] = "picture 7", 9
		yield(sample, nil)
	}
	_, err := s.Evaluate(context.Background(), set, must(s.Classes([][]string{{"fish"}})), nil)
	if err == nil || !strings.Contains(err.Error(), "picture 7: label 9 at (6, 1)") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Evaluate(ctx, World(1000, 3), must(s.Classes([][]string{{"fish"}})), nil); err == nil {
		t.Error("a cancelled evaluation goes on")
	}
}

func TestATokenizerOfAnotherModelIsRefused(t *testing.T) {
	model, dev, _ := newModel(t)
	tok := dataset.NewTokenizer(dataset.CLIPVocabulary(), 77)
	if _, err := New(model, dev, tok, WorldProtocol(64, 0.2)); err == nil || !strings.Contains(err.Error(), "belong together") {
		t.Errorf("error %v", err)
	}
}

func TestWindowsCoverEveryPixelAndStayInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.IntRange(1, 60).Draw(t, "window")
		p := Protocol{Window: window, Stride: rapid.IntRange(1, window).Draw(t, "stride")}
		height, width := rapid.IntRange(1, 150).Draw(t, "height"), rapid.IntRange(1, 150).Draw(t, "width")
		covered := make([]bool, height*width)
		for _, w := range p.Windows(height, width) {
			if w.Y1 < 0 || w.X1 < 0 || w.Y2 > height || w.X2 > width || w.Y2-w.Y1 != min(window, height) || w.X2-w.X1 != min(window, width) {
				t.Fatalf("window %+v", w)
			}
			for y := w.Y1; y < w.Y2; y++ {
				for x := w.X1; x < w.X2; x++ {
					covered[y*width+x] = true
				}
			}
		}
		if slices.Contains(covered, false) {
			t.Fatal("a pixel lies in no window")
		}
	})
}

func TestImagesAreResizedToTheShortSideUnlessTheLongOneGrowsTooLong(t *testing.T) {
	p := PaperProtocol()
	for _, test := range [][4]int{{375, 500, 448, 597}, {500, 375, 597, 448}, {448, 448, 448, 448}, {100, 1000, 205, 2048}, {1, 100000, 1, 2048}} {
		if h, w := p.resized(test[0], test[1]); h != test[2] || w != test[3] {
			t.Errorf("%dx%d becomes %dx%d, not %dx%d", test[1], test[0], w, h, test[3], test[2])
		}
	}
}

func TestProtocolsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, p := range []Protocol{PaperProtocol(), WorldProtocol(64, 0.2)} {
		if err := p.check(); err != nil {
			t.Errorf("%v: %v", p, err)
		}
	}
	for _, change := range []func(*Protocol){
		func(p *Protocol) { p.ShortSide = 0 }, func(p *Protocol) { p.LongMax = 10 }, func(p *Protocol) { p.Stride = 0 },
		func(p *Protocol) { p.Stride = p.Window + 1 }, func(p *Protocol) { p.Templates = nil }, func(p *Protocol) { p.CLIPMix = 1.1 },
		func(p *Protocol) { p.Threshold = math.NaN() }, func(p *Protocol) { p.Dilations = nil }, func(p *Protocol) { p.ZeroIgnored = true },
	} {
		p := PaperProtocol()
		change(&p)
		if err := p.check(); err == nil {
			t.Errorf("accepted: %v", p)
		}
	}
}

func TestSentencesTakeNamesWithAndWithoutArticle(t *testing.T) {
	for _, test := range [][3]string{{"a photo of many {}.", "cat", "a photo of many cat."}, {"here is {a}", "umbrella", "here is an umbrella"}, {"{a}", "fish", "a fish"}} {
		if have := sentence(test[0], test[1]); have != test[2] {
			t.Errorf("%q", have)
		}
	}
}

func TestParseClasses(t *testing.T) {
	have := must(ParseClasses(" cat | kitten,  palm  tree"))
	if len(have) != 2 || !slices.Equal(have[0], []string{"cat", "kitten"}) || !slices.Equal(have[1], []string{"palm tree"}) {
		t.Errorf("%q", have)
	}
	for text, want := range map[string]string{"": "empty", "cat,,dog": "class 2", "cat|": "class 1", "cat, dog|cat": "twice", strings.Repeat("a,", 300): "empty"} {
		if _, err := ParseClasses(text); err == nil || !strings.Contains(err.Error()+" empty", want) {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

func FuzzParseClasses(f *testing.F) {
	f.Add("cat|kitten, tree")
	f.Fuzz(func(t *testing.T, text string) {
		classes, err := ParseClasses(text)
		if err != nil {
			return
		}
		for _, class := range classes {
			if len(class) == 0 || slices.Contains(class, "") || len(classes) > maxClasses {
				t.Errorf("%q gives %q", text, classes)
			}
		}
	})
}
