package cliptrain

import (
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/store"
)

// captionedSet is a set of pairs without pictures.
func captionedSet(r *Recipe, tokenizer *dataset.Tokenizer, captions ...string) *Set {
	s := &Set{}
	for _, caption := range captions {
		s.add(r, tokenizer, dataset.Sample{Caption: caption})
	}
	return s
}

func TestEpochsVisitEveryPairOnceAndBeginWithEasyOnes(t *testing.T) {
	r := smallRecipe()
	r.Batch, r.Easy.Steps = 2, 3
	tokenizer := worldTokenizer(t, r.Text.Context)
	captions := strings.Split("a fish|a tree and a sun|a red tree|a cat near a sun|a sun|a fish with a cat", "|")
	set := captionedSet(r, tokenizer, captions...)
	if !slices.Equal(set.easy, []int{0, 2, 4}) {
		t.Fatalf("easy pairs %v", set.easy)
	}
	m := newMaker(r, set, tokenizer)
	counts := make([]int, len(captions))
	visit := func(from, to int) []int {
		clear(counts)
		for step := from; step < to; step++ {
			for _, place := range m.places(step) {
				counts[place]++
			}
		}
		return counts
	}
	if got := visit(0, 3); !slices.Equal(got, []int{2, 0, 2, 0, 2, 0}) {
		t.Errorf("the easy steps visit the pairs %v times, want the easy ones twice", got)
	}
	if got := visit(3, 6); !slices.Equal(got, []int{1, 1, 1, 1, 1, 1}) {
		t.Errorf("an epoch visits the pairs %v times, want each once", got)
	}
	if a, b := newMaker(r, set, tokenizer).places(5), m.places(5); !slices.Equal(a, b) {
		t.Errorf("step 5 holds %v for one who begins there and %v for one who went through", a, b)
	}
}

func TestConceptsAreWordsOfTheCaption(t *testing.T) {
	r := smallRecipe() // a fish, a tree, red
	set := captionedSet(r, worldTokenizer(t, 16), "a photo of a red tree", "Trees, reddish!", "A FISH.")
	want := [][]bool{{false, true, true}, {false, false, false}, {true, false, false}}
	for i, p := range set.pairs {
		if !slices.Equal(p.concepts, want[i]) {
			t.Errorf("caption %d has the concepts %v, want %v", i, p.concepts, want[i])
		}
	}
}

func TestHolesAreWholeBlocksOfMeanColour(t *testing.T) {
	const size, side = 16, 2
	image := make([]float32, 3*size*size)
	for i := range image {
		image[i] = 1
	}
	punch(image, size, Holes{Most: 1, Side: side}, philox.NewKey(8, philox.Test).Stream(0, 0, 0))
	lost := 0
	for y := range size {
		for x := range size {
			corner := image[y/side*side*size+x/side*side]
			for c := range 3 {
				if v := image[(c*size+y)*size+x]; v != corner || v != 0 && v != 1 {
					t.Fatalf("channel %d of pixel %d, %d is %v in a block of %v", c, x, y, v, corner)
				}
			}
			if corner == 0 {
				lost++
			}
		}
	}
	if lost == 0 || lost == size*size {
		t.Errorf("%d of %d pixels are lost", lost, size*size)
	}
}

func TestASampleThatIsNoImageIsLeftOut(t *testing.T) {
	r := smallRecipe()
	r.Batch, r.Easy.Steps = 2, 0
	tokenizer := worldTokenizer(t, r.Text.Context)
	good := smallSet(t, smallRecipe(), tokenizer).pairs[0].image
	st := store.NewMem()
	samples := []dataset.Sample{
		{Key: "0", Image: good, Caption: "a fish"}, {Key: "1", Image: []byte("<html>"), Caption: "a tree"}, {Key: "2", Image: good, Caption: "a sun"},
	}
	shard, err := dataset.WriteShard(t.Context(), st, r.Data.Shards, 0, samples)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dataset.WriteIndex(t.Context(), st, r.Data.Shards, []dataset.Shard{shard}); err != nil {
		t.Fatal(err)
	}
	set, err := ReadSet(t.Context(), st, r, tokenizer, hclog.NewNullLogger())
	if err != nil || len(set.pairs) != 2 {
		t.Fatalf("pairs %v, error %v; want the two that can be used", set, err)
	}
	r.Batch = 3
	if _, err = ReadSet(t.Context(), st, r, tokenizer, hclog.NewNullLogger()); err == nil || !strings.Contains(err.Error(), "2 usable pairs, but a batch has 3") {
		t.Errorf("error %v", err)
	}
}
