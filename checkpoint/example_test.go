package checkpoint_test

import (
	"context"
	"fmt"

	"gorgonia.org/tensor"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/store"
)

func Example() {
	ctx := context.Background()
	st := store.NewMem()
	run := checkpoint.Lineage{Run: "demo", Number: 0}
	state := &checkpoint.State{
		Step: 10, Names: []string{"gate"}, Updates: []int{10},
		Params: []*tensor.Dense{dense.Of([]float32{0.5})}, // a scalar, as its moments are
		M1:     []*tensor.Dense{dense.Of([]float32{0.1})},
		M2:     []*tensor.Dense{dense.Of([]float32{0.01})},
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
	fmt.Println(found.Manifest.Step, found.State.Flat(checkpoint.Param), found.Skipped, err)
	// Output: 10 [0.5] [] <nil>
}
