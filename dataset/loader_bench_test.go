package dataset_test

import (
	"os"
	"runtime"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/store"
)

// BenchmarkLoader reads scenes of 64 pixels as the demonstration does, and scenes of 512 pixels, the paper's size, with its
// augmentation at 224. A call is a lane of 32 images.
func BenchmarkLoader(b *testing.B) {
	for _, c := range []struct {
		name         string
		scenes, size int
		image        int
		augment      dataset.AugmentConfig
	}{
		{"demo", 256, world.Size, world.Size, dataset.AugmentConfig{Flip: 0.5, Shift: 1, ShiftStride: 8, Gain: 0.15}},
		{"paper", 64, 512, 224, dataset.PaperAugment()},
	} {
		b.Run(c.name, func(b *testing.B) {
			st := store.NewMem()
			if err := world.WriteShards(b.Context(), st, "train", world.Config{Scenes: c.scenes, Size: c.size, Seed: 1}, 32, nil); err != nil {
				b.Fatal(err)
			}
			benchmarkLoader(b, st, c.image, c.augment)
		})
	}
}

func benchmarkLoader(b *testing.B, st store.Store, image int, augment dataset.AugmentConfig) {
	ix, err := dataset.OpenIndex(b.Context(), st, "train")
	if err != nil {
		b.Fatal(err)
	}
	const perLane = 32
	plan, err := dataset.NewPlan(ix, 1, 1, perLane, 64)
	if err != nil {
		b.Fatal(err)
	}
	loader := dataset.NewLoader(dataset.LoaderConfig{
		Store: st, Prefix: "train", Index: ix, Plan: plan, Seed: 1, Tokenizer: dataset.NewTokenizer(dataset.CLIPVocabulary(), 77),
		Augment: augment, ImageSize: image, CacheBytes: 1 << 28, Ahead: 1, Threads: runtime.NumCPU(), JPEG: jpegOf(b), Log: hclog.NewNullLogger(),
	})
	defer loader.Close()
	step := 0
	for b.Loop() {
		if _, err := loader.Batch(b.Context(), step, 0); err != nil {
			b.Fatal(err)
		}
		step++
	}
	b.ReportMetric(float64(b.N*perLane)/b.Elapsed().Seconds(), "images/s")
}

// jpegOf is the decoder that TEXTGROUND_JPEG names.
func jpegOf(b *testing.B) *dataset.JPEGDecoder {
	decoder, err := dataset.OpenJPEGDecoder(os.Getenv("TEXTGROUND_JPEG"))
	if err != nil {
		b.Fatal(err)
	}
	return decoder
}
