package world_test

import (
	"context"
	"fmt"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/store"
)

func Example() {
	ctx, st := context.Background(), store.NewMem()
	cfg := world.Config{Scenes: 6, Size: world.Size, Seed: 1}
	if err := world.WriteShards(ctx, st, "train", cfg, 4, nil); err != nil {
		fmt.Println(err)
		return
	}
	ix, err := dataset.OpenIndex(ctx, st, "train")
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := dataset.ReadSample(ctx, st, "train", ix, 2)
	fmt.Println(ix.Samples(), "scenes;", s.Caption, err)
	// Output: 6 scenes; a red sun near an orange moon <nil>
}
