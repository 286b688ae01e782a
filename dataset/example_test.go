package dataset_test

import (
	"context"
	"fmt"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/store"
)

// One lane of two reads its batch: index, plan, loader.
func Example() {
	ctx, st := context.Background(), store.NewMem()
	if err := world.WriteShards(ctx, st, "train", world.Config{Scenes: 20, Size: world.Size, Seed: 1}, 10, nil); err != nil {
		fmt.Println(err)
		return
	}
	ix, err := dataset.OpenIndex(ctx, st, "train")
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := dataset.NewPlan(ix, 38, 2, 4, 1000) // seed, lanes, samples a lane, shuffle window
	if err != nil {
		fmt.Println(err)
		return
	}
	loader := dataset.NewLoader(dataset.LoaderConfig{
		Store: st, Prefix: "train", Index: ix, Plan: plan, Seed: 38,
		Tokenizer: dataset.NewTokenizer(dataset.CLIPVocabulary(), 77), Augment: dataset.NoAugment(), ImageSize: 32,
		CacheBytes: 1 << 26, Ahead: 1, Threads: 2, Log: hclog.NewNullLogger(),
	})
	defer loader.Close()
	batch, err := loader.Batch(ctx, 0, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(batch.IDs, batch.Images.Shape(), batch.Captions[0])
	// Output: [13 7 11 15] (4, 3, 32, 32) a striped yellow star with a yellow moon
}
