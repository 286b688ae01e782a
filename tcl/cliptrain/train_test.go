package cliptrain

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/examples"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/store"
	"github.com/textground/textground/tcl"
)

// smallRecipe is a training of moments on scenes of the world; two of its four steps are easy.
func smallRecipe() *Recipe {
	r := defaults()
	r.Steps, r.Batch, r.Vocabulary = 4, 4, "builtin:world"
	r.Vision = Vision{Image: 32, Patch: 4, Width: 16, Layers: 2, Heads: 2, Embed: 12}
	r.Text = Text{Context: 16, Width: 16, Layers: 1, Heads: 2}
	r.Data.World = &proto.World{Scenes: 32, Seed: 5, PerShard: 32}
	r.Data.Augment = proto.Augment{Flip: 0.5, Shift: 1, ShiftStride: 8, Gain: 0.15}
	r.Data.Holes = Holes{Chance: 0.5, Most: 0.6, Side: 2}
	r.Easy = Easy{Steps: 2, Without: []string{"and", "with", "next", "near"}}
	r.Loss = Loss{Patches: 1, Concepts: 0.5}
	r.Concepts = Concepts{Phrases: []string{"a fish", "a tree", "red"}, Templates: []string{"here is {}", "{}"}}
	r.Optimiser.WarmupSteps = 2
	r.Evaluation = Evaluation{Scenes: 8, Seed: 6}
	return &r
}

func worldTokenizer(t testing.TB, context int) *dataset.Tokenizer {
	t.Helper()
	v, err := dataset.OpenVocabulary(examples.WorldVocabulary)
	if err != nil {
		t.Fatal(err)
	}
	return dataset.NewTokenizer(v, context)
}

func smallSet(t testing.TB, r *Recipe, tokenizer *dataset.Tokenizer) *Set {
	t.Helper()
	st, w := store.NewMem(), r.Data.World
	if err := world.WriteShards(t.Context(), st, r.Data.Shards, world.Config{Scenes: w.Scenes, Size: world.Size, Seed: w.Seed}, w.PerShard, nil); err != nil {
		t.Fatal(err)
	}
	set, err := ReadSet(t.Context(), st, r, tokenizer, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func train(t testing.TB, r *Recipe, device string, threads, steps int) *Result {
	t.Helper()
	dev, err := devices.Open(device, threads)
	if err != nil {
		t.Skip(err)
	}
	defer dev.Close()
	tokenizer := worldTokenizer(t, r.Text.Context)
	out, err := Train(t.Context(), dev, r, smallSet(t, r, tokenizer), tokenizer, steps, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnyNumberOfThreadsGivesTheSameBits(t *testing.T) {
	defer goleak.VerifyNone(t)
	r := smallRecipe()
	one := train(t, r, "auto", 1, 3)
	for _, threads := range []int{1, 2, 3} {
		if got := train(t, r, "auto", threads, 3); got.Digest != one.Digest {
			t.Errorf("%d threads: digest %.12s, want %.12s", threads, got.Digest, one.Digest)
		}
	}
	if fewer := train(t, r, "auto", 1, 2); fewer.Digest == one.Digest {
		t.Error("a step more changed nothing")
	}
}

func TestEveryWeightLearns(t *testing.T) {
	r := smallRecipe()
	tokenizer := worldTokenizer(t, r.Text.Context)
	set := smallSet(t, r, tokenizer)
	dev, err := devices.Open("auto", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	before, err := Start(dev, r, set, tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	after, err := Train(t.Context(), dev, r, set, tokenizer, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range before.Names() {
		changed := false
		for i, v := range before.Values(name) {
			changed = changed || v != after.Weights.Values(name)[i]
		}
		if !changed {
			t.Errorf("%s did not move", name)
		}
	}
}

func TestTheLossFallsOnFewPairs(t *testing.T) {
	r := smallRecipe()
	r.Steps, r.Easy.Steps, r.Optimiser.Rate = 40, 0, 5e-3
	r.Data.Augment, r.Data.Holes = proto.Augment{}, Holes{Side: 2}
	r.Data.World.Scenes = r.Batch
	tokenizer := worldTokenizer(t, r.Text.Context)
	dev, err := devices.Open("auto", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	var first, last float64
	if _, err := Train(t.Context(), dev, r, smallSet(t, r, tokenizer), tokenizer, r.Steps, func(p Progress) {
		if p.Step == 1 {
			first = p.Class
		}
		last = p.Class
	}); err != nil {
		t.Fatal(err)
	}
	if last > first/2 {
		t.Errorf("the class token's loss went from %.3f to %.3f only", first, last)
	}
}

func TestTheFileIsTheCLIPThatTrainedIt(t *testing.T) {
	r := smallRecipe()
	r.Vision.Image, r.Vision.Patch = world.Size, 8 // as evaluation wants it
	dev, err := devices.Open("ref", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	out := train(t, r, "ref", 1, 1)
	data, err := Encode(r, out, DeviceClass(dev))
	if err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	cfg, clip, err := tcl.LoadCLIP("clip.safetensors", file)
	if err != nil {
		t.Fatal(err)
	}
	if cfg != out.Config {
		t.Errorf("sizes %+v, want %+v", cfg, out.Config)
	}
	for _, key := range []string{KeyRecipe, KeyDeviceClass, KeyDigest, "held_out", "seed"} {
		if file.Metadata[key] == "" {
			t.Errorf("metadata without %q", key)
		}
	}
	ground := tcl.InitialGrounder(cfg, clip, tcl.GrounderInit{Scale: 10, Bias: -2.5, Seed: 1})
	model, err := tcl.NewModel(dev, cfg, tcl.PaperMethod(), clip, ground, tcl.ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	p, err := tcl.NewPretrainer(dev, cfg, out.Weights, r.pretrainOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	images := normals(philox.NewKey(9, philox.Test).Stream(0, 0, 0), r.Batch*3*world.Size*world.Size)
	tokens := [][]int32{worldTokenizer(t, 16).Encode("a red fish"), worldTokenizer(t, 16).Encode("a tree near a boat")}
	sameFeatures(t, p, model, images, tokens)
}

// sameFeatures compares text embeddings, and the cosines of all patches with them.
func sameFeatures(t *testing.T, p *tcl.Pretrainer, model *tcl.Model, images []float32, tokens [][]int32) {
	t.Helper()
	f, err := p.Forward(images, tokens)
	if err != nil {
		t.Fatal(err)
	}
	patches, err := p.PatchFeatures()
	if err != nil {
		t.Fatal(err)
	}
	texts, err := model.EmbedTexts(tokens)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(texts, f.Texts) {
		t.Error("text embeddings differ between training and model")
	}
	e := model.Config().Vision.Embed
	g, err := model.Ground(dense.Of(images, len(images)/(3*world.Size*world.Size), 3, world.Size, world.Size), dense.Of(texts, len(texts)/e, e))
	if err != nil {
		t.Fatal(err)
	}
	cosines, grid := dense.Floats(g.CLIP), g.CLIP.Shape()[2]*g.CLIP.Shape()[3]
	units, words := newRows(patches, e), newRows(texts, e)
	for i := range units.count() {
		for j := range words.count() {
			got, want := float64(cosines[(i/grid*words.count()+j)*grid+i%grid]), dot(units.unit(i), words.unit(j))
			if math.Abs(got-want) > 1e-5 {
				t.Fatalf("cosine of patch %d with text %d is %v in the model and %v in training", i, j, got, want)
			}
		}
	}
}

func TestAStoppedTrainingSaysWhere(t *testing.T) {
	r := smallRecipe()
	tokenizer := worldTokenizer(t, r.Text.Context)
	set := smallSet(t, r, tokenizer)
	dev, err := devices.Open("auto", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Train(ctx, dev, r, set, tokenizer, 4, func(p Progress) { cancel() })
	if err == nil || err.Error() != "pre-training stopped after 1 steps: context canceled" {
		t.Errorf("error %v", err)
	}
}
