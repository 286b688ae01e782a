package checkpoint_test

import (
	"context"
	"fmt"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/store"
)

func Example() {
	ctx := context.Background()
	st := store.NewMem()
	run := checkpoint.Lineage{Run: "demo", Number: 0}
	state := &checkpoint.State{
		Step: 10, Names: []string{"gate"}, Shapes: [][]int{{}},
		Params: [][]float32{{0.5}}, M1: [][]float32{{0.1}}, M2: [][]float32{{0.01}}, Updates: []int{10},
	}

	epoch, _ := checkpoint.ClaimEpoch(ctx, st, run, "coordinator-a")
	writer := checkpoint.Writer{Epoch: epoch, Nonce: "save-1"}
	manifest := checkpoint.NewManifest(run, writer, state, checkpoint.Identity{Seed: 1})
	for _, volume := range manifest.Plan() { // each may be written by another worker
		record, err := checkpoint.WriteVolume(ctx, st, run, state.Step, writer, volume, state.Values)
		if err != nil {
			fmt.Println(err)
			return
		}
		manifest.Volumes = append(manifest.Volumes, record)
	}
	if _, err := checkpoint.Seal(ctx, st, manifest); err != nil {
		fmt.Println(err)
		return
	}

	found, err := checkpoint.Latest(ctx, st, run)
	fmt.Println(found.Manifest.Step, found.State.Params, found.Skipped, err)
	// Output: 10 [[0.5]] [] <nil>
}
