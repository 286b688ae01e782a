package benchmark

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/dataset"
	"github.com/textground/textground/examples"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/segment"
	"github.com/textground/textground/tcl"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// bench returns a benchmark and what segments for it: an untrained grounder on the built-in CLIP.
func bench(t testing.TB, name string) (*Benchmark, *segment.Segmenter, *segment.Classes) {
	t.Helper()
	b := must(Find(name))
	config, clip, err := tcl.LoadCLIP("builtin:world", must(safetensors.Read(examples.WorldCLIP)))
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
	p := b.Protocol(config.Vision.Image, false)
	p.ShortSide, p.Window, p.Stride, p.Templates = 64, 64, 32, p.Templates[:1] // quick
	if b.Background {
		p.Threshold = 0.15 // of this CLIP: some pixels are background, some are not
	}
	s := must(segment.New(model, dev, dataset.NewTokenizer(must(dataset.OpenVocabulary(examples.WorldVocabulary)), config.Text.Context), p))
	var names [][]string
	for _, name := range b.Things() {
		names = append(names, []string{name})
	}
	return b, s, must(s.Classes(names))
}

// naive computes mIoU pixel by pixel and class by class, from the label numbers in the files.
func naive(t testing.TB, name string, images []mini) float64 {
	t.Helper()
	count := map[string]int{"voc": 21, "context60": 60, "coco-object": 81, "voc20": 20, "context59": 59, "coco-stuff": 171, "cityscapes": 19, "ade20k": 150}[name]
	zeroIsNoClass := slices.Contains([]string{"voc20", "context59", "ade20k"}, name)
	both, either := make([]float64, count), make([]float64, count)
	for _, m := range images {
		for i, truth := range m.labels {
			if truth == 255 || zeroIsNoClass && truth == 0 {
				continue
			}
			if zeroIsNoClass {
				truth--
			}
			for class := range count {
				isTrue, isFound := truth == class, int(m.found[i]) == class
				if isTrue && isFound {
					both[class]++
				}
				if isTrue || isFound {
					either[class]++
				}
			}
		}
	}
	sum, present := 0.0, 0.0
	for class := range count {
		if either[class] > 0 {
			sum, present = sum+both[class]/either[class], present+1
		}
	}
	if sum < 1 || count > 50 && present == float64(count) {
		t.Errorf("%v of %d classes occur, sum %v: the miniature shows little", present, count, sum)
	}
	return sum / present
}

func TestEachPublishedLayoutGivesTheMIoUOfAnIndependentComputation(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			b, s, classes := bench(t, name)
			dir, images := miniature(t, name, 4, func(img *dataset.Image) []uint8 { return must(s.Scores(classes, img))[0].Labels().Pix() })
			want := naive(t, name, images)
			set := must(b.Open(filepath.Join(dir, kinds[name].root)))
			if above := must(b.Open(dir)); !slices.Equal(above.Names, set.Names) || must(above.Digest(t.Context())) != must(set.Digest(t.Context())) {
				t.Errorf("%v, from above %v", set.Names, above.Names)
			}
			told := 0
			part := must(set.Evaluate(t.Context(), s, classes, func(done int) { told = done }))
			result := set.Result(part, s.Protocol())
			if have := *result.MIoU; math.Abs(have-want) > 1e-6 || result.Images != 4 || told != 4 {
				t.Errorf("mIoU %v of %d images, an independent one is %v", have, result.Images, want)
			}
		})
	}
}

func TestAnyNumberOfSharesGivesTheSameCounts(t *testing.T) {
	b, s, classes := bench(t, "voc")
	dir, _ := miniature(t, "voc", 4, nil)
	set := must(b.Open(dir))
	whole := must(set.Evaluate(t.Context(), s, classes, nil))
	for n := 2; n <= 3; n++ {
		var parts []*Part
		for i := range n {
			parts = append(parts, must(set.Share(n-1-i, n).Evaluate(t.Context(), s, classes, nil)))
		}
		joined := must(set.Join(parts...))
		if !reflect.DeepEqual(joined, whole) || joined.Digest() != whole.Digest() {
			t.Errorf("%d shares: %+v, not %+v", n, joined, whole)
		}
		if _, err := set.Join(parts[:n-1]...); err == nil || !strings.Contains(err.Error(), "no share of voc has image") {
			t.Errorf("a missing share: error %v", err)
		}
		if _, err := set.Join(append(parts, parts[0])...); err == nil || !strings.Contains(err.Error(), "two shares of voc have image") {
			t.Errorf("a share twice: error %v", err)
		}
	}
}

func TestTheClassesAreThoseOfMMSegmentation(t *testing.T) {
	for name, want := range map[string]struct {
		count int
		spots map[int]string
	}{
		"voc":         {21, map[int]string{0: "background", 1: "aeroplane", 11: "diningtable", 20: "tvmonitor"}},
		"voc20":       {20, map[int]string{0: "aeroplane", 14: "person", 19: "tvmonitor"}},
		"context60":   {60, map[int]string{0: "background", 1: "aeroplane", 4: "bedclothes", 37: "person", 59: "wood"}},
		"context59":   {59, map[int]string{0: "aeroplane", 1: "bag", 36: "person", 58: "wood"}},
		"coco-object": {81, map[int]string{0: "background", 1: "person", 12: "stop sign", 79: "hair drier", 80: "toothbrush"}},
		"coco-stuff":  {171, map[int]string{0: "person", 79: "toothbrush", 80: "banner", 84: "building-other", 145: "sky-other", 170: "wood"}},
		"cityscapes":  {19, map[int]string{0: "road", 7: "traffic sign", 11: "person", 18: "bicycle"}},
		"ade20k":      {150, map[int]string{0: "wall", 7: "bed ", 12: "person", 89: "television receiver", 141: "crt screen", 149: "flag"}},
	} {
		classes := must(Find(name)).Classes()
		if len(classes) != want.count {
			t.Errorf("%s has %d classes, not %d", name, len(classes), want.count)
			continue
		}
		for i, spot := range want.spots {
			if classes[i] != spot {
				t.Errorf("%s: class %d is %q, not %q", name, i, classes[i], spot)
			}
		}
		seen := map[string]bool{}
		for _, class := range classes {
			if seen[class] || class == "" {
				t.Errorf("%s: class %q twice", name, class)
			}
			seen[class] = true
		}
	}
}

func TestTheDefaultProtocolIsTheRelease(t *testing.T) {
	for _, test := range []struct {
		name      string
		pamr      bool
		threshold float64
	}{{"voc", true, 0.4}, {"voc", false, 0.5}, {"voc20", true, 0}} {
		p := must(Find(test.name)).Protocol(224, test.pamr)
		if p.Threshold != test.threshold || p.PAMR != test.pamr || p.CLIPMix != 0.3 || p.ShortSide != 448 || p.Window != 448 || p.Stride != 224 || len(p.Templates) != 9 {
			t.Errorf("%s: %v", test.name, p)
		}
	}
}

func TestWhatADataSetLacksIsNamedWithTheLayout(t *testing.T) {
	for _, test := range []struct {
		name, remove string
		wants        []string
	}{
		{"voc", "JPEGImages", []string{"has no folder JPEGImages", "VOCdevkit/VOC2012", "SegmentationClass/NAME.png"}},
		{"voc20", "SegmentationClass", []string{"has no folder SegmentationClass", "the archive of VOC 2012 has them"}},
		{"context60", "ImageSets", []string{"has no file ImageSets/SegmentationContext/val.txt", "pascal_context.py"}},
		{"coco-object", "annotations", []string{"has no folder annotations/val2017", "NAME_instanceTrainIds.png", "convert_coco_object.py"}},
		{"cityscapes", "leftImg8bit/val/frankfurt", []string{"leftImg8bit/val: has no image"}},
		{"ade20k", "", []string{"is no directory", "annotations/validation/NAME.png"}},
	} {
		dir, _ := miniature(t, test.name, 1, nil)
		if err := os.RemoveAll(filepath.Join(dir, kinds[test.name].root, test.remove)); err != nil {
			t.Fatal(err)
		}
		if test.remove == "" {
			dir = filepath.Join(dir, "absent")
		}
		_, err := must(Find(test.name)).Open(dir)
		wantSetError(t, err, append(test.wants, test.name)...)
	}
}

func wantSetError(t *testing.T, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, wanted %q", wants)
		return
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if _, rest, _ := strings.Cut(err.Error(), "; "); rest == "" {
		t.Errorf("error %q has no mend", err)
	}
}

func TestDamagedFilesAreNamed(t *testing.T) {
	dir, images := miniature(t, "ade20k", 2, nil)
	set := must(must(Find("ade20k")).Open(dir))
	m := images[1]
	labels := filepath.Join(dir, "ADEChallengeData2016/annotations/validation", m.name+".png")
	image := filepath.Join(dir, "ADEChallengeData2016/images/validation", m.name+".jpg")
	good := must(os.ReadFile(labels))
	for _, test := range []struct {
		file  string
		data  []byte
		wants []string
	}{
		{labels, encodeLabels(t, kind{}, 4, []int{0, 1, 2, 3}), []string{labels, "4x1 labels", image, "41x35"}},
		{labels, encodeLabels(t, kind{}, m.pixels.Width, append(slices.Clone(m.labels[1:]), 151)), []string{labels, "label 151 at (40, 34)", "labels 0 to 150, and 255"}},
		{labels, encodeLabels(t, kind{wide: true}, 2, []int{1, 3000}), []string{labels, "label 3000 at (1, 0)"}},
		{labels, good[:len(good)/2], []string{labels, "label map"}},
		{image, []byte("no picture"), []string{image}},
	} {
		before := must(os.ReadFile(test.file))
		put(t, test.file, test.data)
		_, err := set.Read(m.name)
		wantSetError(t, err, test.wants...)
		put(t, test.file, before)
	}
	if err := os.Remove(labels); err != nil {
		t.Fatal(err)
	}
	_, err := set.Digest(t.Context())
	wantSetError(t, err, labels, "is missing", "expected are")
	_, err = set.Read(m.name)
	wantSetError(t, err, labels, "is missing")
}

func TestTheDigestOfTheDataKnowsEveryByte(t *testing.T) {
	dir, images := miniature(t, "voc", 3, nil)
	set := must(must(Find("voc")).Open(dir))
	whole := must(set.Digest(t.Context()))
	if again := must(set.First(99).Digest(t.Context())); again != whole {
		t.Error("the same files have another digest")
	}
	if must(set.First(2).Digest(t.Context())) == whole {
		t.Error("two images have the digest of three")
	}
	labels := filepath.Join(dir, "VOCdevkit/VOC2012/SegmentationClass", images[2].name+".png")
	data := must(os.ReadFile(labels))
	put(t, labels, append(data, 0))
	if must(set.Digest(t.Context())) == whole {
		t.Error("another label map has the same digest")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := set.Digest(ctx); err == nil {
		t.Error("a cancelled digest goes on")
	}
}

func TestTheWorstImagesComeFirst(t *testing.T) {
	score := func(v float64) *float64 { return &v }
	p := Part{Images: []Score{{"a", score(0.5)}, {"b", nil}, {"c", score(0.1)}, {"d", score(0.5)}, {"e", score(0.3)}}}
	var names []string
	for _, s := range p.Worst(3) {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"c", "e", "a"}) || len(p.Worst(9)) != 4 || len(p.Worst(0)) != 0 {
		t.Errorf("%v", names)
	}
}

func TestSplitFilesNameImages(t *testing.T) {
	if names := must(parseSplit("2007_000033\r\n\n 2007_000042 \n")); !slices.Equal(names, []string{"2007_000033", "2007_000042"}) {
		t.Errorf("%q", names)
	}
	for text, want := range map[string]string{"a\nb 1": "line 2", "../x": "line 1", "a\nb\na": "line 3 names \"a\", as line 1 does"} {
		if _, err := parseSplit(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", text, err)
		}
	}
	dir, _ := miniature(t, "voc", 1, nil)
	split := filepath.Join(dir, "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt")
	put(t, split, []byte("\n\n"))
	_, err := must(Find("voc")).Open(dir)
	wantSetError(t, err, split, "has no image")
}

func FuzzParseSplit(f *testing.F) {
	f.Add("2007_000033\n2007_000042\n")
	f.Fuzz(func(t *testing.T, text string) {
		names, err := parseSplit(text)
		for _, name := range names {
			if err != nil || name != strings.TrimSpace(name) || filepath.Base(name) != name {
				t.Errorf("%q gives %q, %v", text, names, err)
			}
		}
	})
}

// cards draws cards of a benchmark.
func cards(t *rapid.T) *Card {
	b := rapid.SampledFrom(All()).Draw(t, "benchmark")
	c := &Card{Benchmark: b.Name, Images: rapid.IntRange(1, 5000).Draw(t, "images"), Classes: b.Classes(),
		Protocol: b.Protocol(224, rapid.Bool().Draw(t, "pamr")), WeightsSHA256: rapid.StringMatching("[0-9a-f]{64}").Draw(t, "weights"),
		DataSHA256: rapid.StringMatching("[0-9a-f]{64}").Draw(t, "data"), Weights: "run a", DeviceClass: "x"}
	if rapid.Bool().Draw(t, "counted") {
		miou := rapid.Float64Range(0, 1).Draw(t, "miou")
		c.MIoU = &miou
	}
	return c
}

func TestCardsComeBackFromTheirJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := cards(t)
		back, err := ReadCard(must(json.Marshal(c)))
		if err != nil || !reflect.DeepEqual(c, back) || c.Differs(back) != "" {
			t.Fatalf("%v: %+v, not %+v", err, back, c)
		}
	})
}

func TestACardNamesWhatDiffers(t *testing.T) {
	b := must(Find("voc"))
	card := Card{Benchmark: "voc", Images: 9, DataSHA256: "aaaa", Protocol: b.Protocol(224, true), Weights: "run a", WeightsSHA256: "bbbb", DeviceClass: "here"}
	for want, change := range map[string]func(*Card){
		"9 images of voc, here are 8":   func(c *Card) { c.Images = 8 },
		"(data SHA-256 aaaa) than":      func(c *Card) { c.DataSHA256 = "cccc" },
		"other weights (run a, SHA-256": func(c *Card) { c.WeightsSHA256 = "cccc" },
		"no PAMR":                       func(c *Card) { c.Protocol.PAMR = false },
	} {
		here := card
		change(&here)
		if have := card.Differs(&here); !strings.Contains(have, want) {
			t.Errorf("%q does not say %q", have, want)
		}
	}
	elsewhere := card
	elsewhere.DeviceClass = "there"
	if have := card.Differs(&elsewhere); have != "" {
		t.Errorf("another device class: %s", have)
	}
}

func TestCardsThatCannotBeRepeatedAreRefused(t *testing.T) {
	good := string(must(json.Marshal(Card{Benchmark: "voc20", Images: 3, Classes: must(Find("voc20")).Classes(), Protocol: must(Find("voc20")).Protocol(224, true)})))
	must(ReadCard([]byte(good)))
	for want, change := range map[string][2]string{
		"no card":               {`"images":3`, `"images":"three"`},
		"unknown field":         {`"images":3`, `"pictures":3`},
		"0 images":              {`"images":3`, `"images":0`},
		"no benchmark \"voc2\"": {`"benchmark":"voc20"`, `"benchmark":"voc2"`},
		"not those of voc20":    {`"aeroplane"`, `"airplane"`},
		"background is not":     {`"zero_label_ignored":true`, `"zero_label_ignored":false`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if _, err := ReadCard([]byte(text)); text == good || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
	}
}

func FuzzReadCard(f *testing.F) {
	f.Add(must(json.Marshal(Card{Benchmark: "voc20", Images: 3, Classes: must(Find("voc20")).Classes(), Protocol: must(Find("voc20")).Protocol(224, true)})))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := ReadCard(data); err == nil && c.Images < 1 {
			t.Errorf("a card of %d images", c.Images)
		}
	})
}

// Where an image and its labels are looked for.
func ExampleBenchmark() {
	b, _ := Find("cityscapes")
	fmt.Println(b.Title, len(b.Classes()))
	fmt.Println(b.layout.expected())
	// Output:
	// Cityscapes 19
	// expected are leftImg8bit/val/NAME_leftImg8bit.png and gtFine/val/NAME_gtFine_labelTrainIds.png (cityscapesScripts' createTrainIdLabelImgs makes them)
}
