package cliptrain

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/examples"
	"github.com/textground/textground/proto"
)

func exampleRecipe(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("../../examples/world-clip.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTheCommittedRecipeIsValid(t *testing.T) {
	r, err := ParseRecipe("world-clip.yaml", []byte(exampleRecipe(t)))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Config(642); got.Vision.Width != 96 || got.Text.Vocab != 642 {
		t.Errorf("sizes %+v", got)
	}
	other := *r
	other.Store, other.Threads, other.Evaluation.Every = "s3://elsewhere", 7, 1
	if other.Digest() != r.Digest() {
		t.Error("keys that alter no number alter the digest")
	}
	other.Optimiser.Rate *= 2
	if other.Digest() == r.Digest() {
		t.Error("another rate has the same digest")
	}
}

func TestTheCommittedWeightsAreThoseOfTheCommittedRecipe(t *testing.T) {
	r, err := ParseRecipe("world-clip.yaml", []byte(exampleRecipe(t)))
	if err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.Read(examples.WorldCLIP)
	if err != nil {
		t.Fatal(err)
	}
	if said := file.Metadata[KeyRecipe]; said != r.Digest() {
		t.Errorf("the weights come from recipe %.12s, but examples/world-clip.yaml is %.12s: train again or restore it", said, r.Digest())
	}
}

func TestARefusedRecipeNamesPlaceRuleAndMend(t *testing.T) {
	example := exampleRecipe(t)
	for _, c := range []struct{ name, old, new, want string }{
		{"mistyped key", "\nbatch: 64", "\nbacth: 64", `:7:1: unknown key "bacth"; did you mean "batch"?`},
		{"wrong type", "\nbatch: 64", "\nbatch: many", ":7:8: "},
		{"no pair to tell apart", "\nbatch: 64", "\nbatch: 1 #", ":7:8: batch must be at least 2"},
		{"heads that do not divide", "heads: 3", "heads: 5", "vision.width = 96 is no multiple of vision.heads = 5"},
		{"anchor", "\nbatch: 64", "\nbatch: &b 64", "anchors and aliases are not allowed"},
		{"chance above 1", "chance: 0.1", "chance: 1.5", "data.holes.chance must lie in 0..1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(example, c.old, c.new, 1)
			if text == example {
				t.Fatalf("the example has no %q", c.old)
			}
			_, err := ParseRecipe("r.yaml", []byte(text))
			var input *proto.InputError
			if !errors.As(err, &input) || !strings.HasPrefix(input.Line, "recipe r.yaml") || !strings.Contains(input.Line, c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestAMissingRecipeIsTheUsersMistake(t *testing.T) {
	_, err := ReadRecipe(t.TempDir() + "/none.yaml")
	if input := (*proto.InputError)(nil); !errors.As(err, &input) {
		t.Errorf("error %v", err)
	}
}

func FuzzParseRecipe(f *testing.F) {
	f.Add([]byte(exampleRecipe(f)))
	f.Add([]byte("steps: 1\nvision: {image: 0}"))
	f.Add([]byte("- a"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRecipe("fuzz.yaml", data)
		if err == nil && (r.Steps < 1 || r.Batch < 2) {
			t.Errorf("accepted %d steps of %d pairs", r.Steps, r.Batch)
		}
	})
}
