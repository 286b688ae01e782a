package world

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/store"
)

func TestSceneDependsOnSeedAndNumberOnly(t *testing.T) {
	alone := Draw(3, 7)
	for i := range 7 {
		Draw(3, i)
	}
	again := Draw(3, 7)
	if !bytes.Equal(alone.JPEG(), again.JPEG()) || !bytes.Equal(alone.Mask, again.Mask) || alone.Caption != again.Caption {
		t.Error("scene 7 changed after others were drawn")
	}
	if other := Draw(4, 7); bytes.Equal(alone.JPEG(), other.JPEG()) {
		t.Error("another seed gives the same scene")
	}
}

// The distributions of the tried recipe: the area weights of the demonstration are set for them.
func TestStatisticsOfTheWorld(t *testing.T) {
	const n = 160
	var named, covered, two float64
	var counts [5]int
	words := map[string]bool{}
	for i := range n {
		s := Draw(38, i)
		counts[len(s.Objects)]++
		named += s.NamedArea / n
		for _, v := range s.Mask {
			if v > uint8(len(Nouns)) {
				t.Fatalf("scene %d has a label %d", i, v)
			}
			if v > 0 {
				covered += 1. / n / Size / Size
			}
		}
		said := 0
		for _, w := range strings.Fields(s.Caption) {
			words[w] = true
			if slices.Contains(Nouns, w) {
				said++
			}
		}
		if said < 1 || said > 2 || len(strings.Fields(s.Caption)) > 14 {
			t.Errorf("scene %d: caption %q", i, s.Caption)
		}
		two += float64(said-1) / n
	}
	near := func(what string, got, want, tolerance float64) {
		if math.Abs(got-want) > tolerance {
			t.Errorf("%s is %.3f, the recipe has %.2f", what, got, want)
		}
	}
	near("the mean named area", named, 0.18, 0.012)
	near("the mean foreground", covered, 0.19, 0.02)
	near("the share of captions with two nouns", two, 0.60, 0.10)
	near("the share of scenes with one object", float64(counts[1])/n, 0.30, 0.08)
	near("the share of scenes with two", float64(counts[2])/n, 0.35, 0.08)
	near("the share of scenes with four", float64(counts[4])/n, 0.15, 0.07)
	// With padding, start and end these make the 44 words of the small text tower.
	if len(words) != 41 {
		t.Errorf("%d different words: %v", len(words), words)
	}
}

// What the caption names is in the mask, with the area that the scene claims.
func TestCaptionNamesWhatTheMaskShows(t *testing.T) {
	for i := range 30 {
		s := Draw(5, i)
		area := 0
		for noun, word := range Nouns {
			if slices.Contains(strings.Fields(s.Caption), word) {
				n := 0
				for _, v := range s.Mask {
					if int(v) == noun+1 {
						n++
					}
				}
				if n == 0 {
					t.Errorf("scene %d: %q, but no pixel of a %s", i, s.Caption, word)
				}
				area += n
			}
		}
		if got := float64(area) / Size / Size; math.Abs(got-s.NamedArea) > 1e-9 {
			t.Errorf("scene %d: named area %v, the mask has %v", i, s.NamedArea, got)
		}
	}
}

// Every sprite fills its square: nothing is forgotten in the table, nothing hangs out.
func TestEverySpriteIsDrawn(t *testing.T) {
	if len(sprites) != len(Nouns) || len(typical) != len(Nouns) || len(palette) != len(Colours) {
		t.Fatal("the tables have different lengths")
	}
	for noun, word := range Nouns {
		bodies := 0
		for _, p := range sprites[noun] {
			if p.role == body {
				bodies++
			}
			for _, q := range p.outline {
				if max(math.Abs(q.x), math.Abs(q.y)) > 1.25 {
					t.Errorf("%s reaches out to (%.2f, %.2f)", word, q.x, q.y)
				}
			}
		}
		if bodies == 0 {
			t.Errorf("%s has nothing that takes its colour", word)
		}
		c, ids := newCanvas(128), make([]int8, 128*128)
		object{noun, 0, "plain"}.paint(philox.NewKey(1, philox.Test).Stream(0, 0, 0), c, ids, 1, 64, 64, 100)
		covered := 0
		for _, id := range ids {
			covered += int(id)
		}
		if covered < 900 || covered > 9000 {
			t.Errorf("%s covers %d pixels of a square of 10000", word, covered)
		}
	}
}

func TestScanFillsByTheNonzeroRule(t *testing.T) {
	area := func(p polygon) int {
		n := 0
		scan(p, 20, func(y, x0, x1 int) {
			if y < 0 || y >= 20 || x0 < 0 || x1 > 20 {
				t.Fatalf("span %d..%d in row %d of a canvas of 20", x0, x1, y)
			}
			n += x1 - x0
		})
		return n
	}
	square := rect(2, 3, 12, 8)
	for name, c := range map[string]struct {
		p    polygon
		want int
	}{
		"a rectangle":           {square, 50},
		"its other direction":   {poly(2, 8, 12, 8, 12, 3, 2, 3), 50},
		"twice round":           {join(square, square), 50},
		"out of the canvas":     {rect(-10, -10, 5, 5), 25},
		"far away":              {rect(100, 100, 200, 200), 0},
		"a triangle":            {poly(0, 0, 10, 0, 0, 10), 55},
		"a line without a body": {poly(1, 1, 9, 1), 0},
	} {
		if got := area(c.p); got != c.want {
			t.Errorf("%s: %d pixels, want %d", name, got, c.want)
		}
	}
	if got := float64(area(ellipse(10, 10, 8, 6))); math.Abs(got-math.Pi*48) > 4 {
		t.Errorf("an ellipse of %.1f pixels got %v", math.Pi*48, got)
	}
}

func TestArticles(t *testing.T) {
	for phrase, want := range map[string]string{"umbrella": "an umbrella", "orange cat": "an orange cat", "fish": "a fish"} {
		if got := WithArticle(phrase); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := Prompts("umbrella"); got[0] != "a photo of an umbrella" || got[5] != "an umbrella" {
		t.Errorf("%q", got)
	}
}

func TestShardsHoldTheScenes(t *testing.T) {
	st := store.NewMem()
	var progress []int
	cfg := Config{Scenes: 10, Size: Size, Seed: 9, Masks: true}
	if err := WriteShards(t.Context(), st, "eval", cfg, 4, func(n int) { progress = append(progress, n) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(progress, []int{4, 8, 10}) {
		t.Errorf("progress %v", progress)
	}
	ix, err := dataset.OpenIndex(t.Context(), st, "eval")
	if err != nil {
		t.Fatal(err)
	}
	if ix.Samples() != 10 || len(ix.Shards) != 3 {
		t.Fatalf("%d samples in %d shards", ix.Samples(), len(ix.Shards))
	}
	for i := range 10 {
		s, err := dataset.ReadSample(t.Context(), st, "eval", ix, dataset.SampleID(i))
		if err != nil {
			t.Fatal(err)
		}
		want := Draw(9, EvalFirst+i)
		if !bytes.Equal(s.Image, want.JPEG()) || s.Caption != want.Caption {
			t.Errorf("sample %d is not evaluation scene %d", i, i)
		}
		mask, err := png.Decode(bytes.NewReader(s.Mask))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(mask.(*image.Gray).Pix, want.Mask) {
			t.Errorf("sample %d has another mask", i)
		}
	}
}

func TestTrainingAndEvaluationNeverMeet(t *testing.T) {
	train, eval := Config{Scenes: 1, Size: Size, Seed: 1}, Config{Scenes: 1, Size: Size, Seed: 1, Masks: true}
	if bytes.Equal(train.sample(0).Image, eval.sample(0).Image) {
		t.Error("scene 0 of both is one picture")
	}
	if train.sample(0).Mask != nil {
		t.Error("a training scene has a mask")
	}
}

// The control: the same pictures, the same captions, none of them at its own picture.
func TestShuffledCaptions(t *testing.T) {
	straight := Config{Scenes: 5, Size: Size, Seed: 3}
	shuffled := straight
	shuffled.Shuffled = true
	for i := range 5 {
		a, b := straight.sample(i), shuffled.sample(i)
		if !bytes.Equal(a.Image, b.Image) || b.Caption != straight.sample((i+1)%5).Caption {
			t.Errorf("scene %d: %q became %q", i, a.Caption, b.Caption)
		}
	}
}

func TestEqualConfigurationsGiveOneFingerprint(t *testing.T) {
	fingerprint := func(cfg Config) string {
		st := store.NewMem()
		if err := WriteShards(t.Context(), st, "", cfg, 5, nil); err != nil {
			t.Fatal(err)
		}
		ix, err := dataset.OpenIndex(t.Context(), st, "")
		if err != nil {
			t.Fatal(err)
		}
		return ix.Fingerprint
	}
	a := fingerprint(Config{Scenes: 12, Size: Size, Seed: 1})
	if b := fingerprint(Config{Scenes: 12, Size: Size, Seed: 1}); a != b {
		t.Errorf("%s, then %s", a, b)
	}
	if b := fingerprint(Config{Scenes: 12, Size: Size, Seed: 2}); a == b {
		t.Error("two seeds give one fingerprint")
	}
}

func TestOtherSizes(t *testing.T) {
	for _, size := range []int{32, 96} {
		s := drawSized(1, 2, size)
		img, err := jpeg.Decode(bytes.NewReader(s.JPEG()))
		if err != nil || img.Bounds().Dx() != size || len(s.Mask) != size*size {
			t.Errorf("size %d: %v, %d labels, %v", size, img.Bounds(), len(s.Mask), err)
		}
	}
}

func TestImpossibleWorldsAreRefused(t *testing.T) {
	for _, cfg := range []Config{{}, {Scenes: 1}, {Scenes: 1, Size: 65}, {Scenes: -1, Size: 64}, {Scenes: 1, Size: 8}, {Scenes: 1, Size: 1024}, {Scenes: 1, Size: 64, Shuffled: true}} {
		if err := WriteShards(t.Context(), store.NewMem(), "", cfg, 1, nil); err == nil {
			t.Errorf("%+v was drawn", cfg)
		}
	}
	if err := WriteShards(t.Context(), store.NewMem(), "", Config{Scenes: 1, Size: 64}, 0, nil); err == nil {
		t.Error("shards of 0 scenes were written")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	st := store.NewMem()
	if err := WriteShards(ctx, st, "", Config{Scenes: 100, Size: 64}, 10, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if objects, _ := st.List(t.Context(), ""); len(objects) != 0 {
		t.Errorf("cancelled, yet there are %v", objects)
	}
}

func BenchmarkDraw(b *testing.B) {
	for i := range b.N {
		Draw(1, i).JPEG()
	}
}
