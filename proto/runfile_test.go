package proto

import (
	"errors"
	"strings"
	"testing"
)

const small = `name: small
seed: 3
steps: 12
phase2_from: 5
batch: 12
micro_batch: 2
model:
  clip: builtin:world
  vocabulary: builtin:world
data:
  world: {scenes: 60, seed: 1, per_shard: 20}
  window: 30
`

func TestBadRunFilesNamePlaceAndMend(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want, detail string }{
		"unknown key":   {"micro_batch: 2", "micro_bach: 2", `run file x.yaml:6:1: unknown key "micro_bach"; did you mean "micro_batch"?`, "^"},
		"unknown inner": {"scenes: 60", "scnes: 60", `x.yaml:11:11: unknown key "scnes"; did you mean "scenes"?`, "^"},
		"wrong type":    {"steps: 12", "steps: twelve", "x.yaml:3:8: ", "^"},
		"not dividing":  {"micro_batch: 2", "micro_batch: 5", "x.yaml:6:14: micro_batch 5 does not divide batch 12; try 4", "^"},
		"duplicate key": {"seed: 3", "seed: 3\nseed: 4", "x.yaml:3:1: ", "^"},
		"negative rate": {"window: 30", "window: 30\noptimiser: {rate: -1}", "optimiser.rate must be positive", "^"},
		"anchor bomb":   {"seed: 3", "seed: &a 3", "anchors and aliases are not allowed", ""},
		"no evaluation": {"seed: 3", "seed: 3\nevaluation: {scenes: 0}", "evaluation.scenes must be at least 1", "^"},
		"no held-out":   {"data:\n  world: {scenes: 60, seed: 1, per_shard: 20}\n", "evaluation: {every: 5}\ndata:\n", "x.yaml:10:21: evaluation.every measures on scenes of data.world", "^"},
		"activation":    {"vocabulary: builtin:world", "vocabulary: builtin:world\n  activation: relu", "x.yaml:10:15: model.activation must be quick_gelu or gelu", "^"},
		"zero workers":  {"seed: 3", "seed: 3\nworkers: 0", "workers must be at least 1", "^"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseRunFile("x.yaml", []byte(strings.Replace(small, c.from, c.to, 1)))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line with %q", err, c.want)
			}
			var input *InputError
			if c.detail != "" && (!errors.As(err, &input) || !strings.Contains(input.Detail, c.detail)) {
				t.Errorf("no caret in the detail of %#v", err)
			}
		})
	}
}

func TestChangedKeysAreNamedOnlyWhereTheyAlterNumbers(t *testing.T) {
	a, err := ParseRunFile("a", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseRunFile("b", []byte(strings.Replace(small, "seed: 3", "seed: 4\nworkers: 5\nstore: file:///tmp/x", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Changed(b); len(got) != 1 || got[0] != "seed: 3 → 4" {
		t.Errorf("changed keys %q, want the seed alone", got)
	}
	if a.Digest() == b.Digest() {
		t.Error("two seeds have one digest")
	}
	b.Seed = 3
	if a.Digest() != b.Digest() {
		t.Error("workers and store alter the digest")
	}
}

func FuzzParseRunFile(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("a: [1"))
	f.Add([]byte("steps: *x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if run, err := ParseRunFile("fuzz", data); err == nil && run.Batch%run.MicroBatch != 0 {
			t.Errorf("accepted micro_batch %d of batch %d", run.MicroBatch, run.Batch)
		}
	})
}

func TestARunFileWithoutAnActivationKeepsTheDigestThatItAlwaysHad(t *testing.T) {
	a, err := ParseRunFile("a", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if want := "439fd4f035c78f1829f30e596f5d2a5f7d4b9ecf838c0d4bc028b1b93b385fc1"; a.Digest() != want {
		t.Errorf("digest %s, but checkpoints have %s", a.Digest(), want)
	}
	b, err := ParseRunFile("b", []byte(strings.Replace(small, "vocabulary: builtin:world", "vocabulary: builtin:world\n  activation: gelu", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if changed := a.Changed(b); len(changed) != 1 || changed[0] != "model.activation: unset → gelu" {
		t.Errorf("changed %v", changed)
	}
}
