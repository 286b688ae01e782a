package dataset_test

import (
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/store"
)

// BenchmarkLoader reads scenes of 64 pixels as the demonstration does, and once with the paper's augmentation.
func BenchmarkLoader(b *testing.B) {
	st := store.NewMem()
	if err := world.WriteShards(b.Context(), st, "train", world.Config{Scenes: 256, Size: world.Size, Seed: 1}, 64, nil); err != nil {
		b.Fatal(err)
	}
	ix, err := dataset.OpenIndex(b.Context(), st, "train")
	if err != nil {
		b.Fatal(err)
	}
	const perLane = 32
	plan, err := dataset.NewPlan(ix, 1, 1, perLane, 128)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		augment dataset.AugmentConfig
	}{
		{"demo", dataset.AugmentConfig{Flip: 0.5, Shift: 1, ShiftStride: 8, Gain: 0.15}},
		{"paper", dataset.PaperAugment()},
	} {
		b.Run(c.name, func(b *testing.B) {
			loader := dataset.NewLoader(dataset.LoaderConfig{
				Store: st, Prefix: "train", Index: ix, Plan: plan, Seed: 1, Tokenizer: dataset.NewTokenizer(dataset.CLIPVocabulary(), 77),
				Augment: c.augment, ImageSize: world.Size, CacheBytes: 1 << 28, Ahead: 1, Threads: 2, Log: hclog.NewNullLogger(),
			})
			defer loader.Close()
			b.ResetTimer()
			for step := range b.N {
				if _, err := loader.Batch(b.Context(), step, 0); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*perLane)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
