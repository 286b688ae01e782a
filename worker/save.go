package worker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"gorgonia.org/tensor"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/internal/fault"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/tcl"
)

// saving writes this worker's volumes of one checkpoint in the background.
type saving struct {
	nonce string // of the save taken last
	wg    sync.WaitGroup
	spare atomic.Pointer[tcl.State] // memory of a save that is written, for the next one
}

// startSave copies the state at the boundary that the orders name and writes the volumes that they give this worker.
func (w *Worker) startSave(ctx context.Context, o *proto.Orders) error {
	if o.Save == nil || o.Save.Step != w.applied || o.Save.Nonce == w.saving.nonce {
		return nil
	}
	var mine []int
	for volume, writer := range o.Save.Writers {
		if writer == w.Name {
			mine = append(mine, volume)
		}
	}
	if len(mine) == 0 {
		return nil
	}
	slices.Sort(mine)
	state := w.saving.spare.Swap(nil)
	if state == nil {
		state = new(tcl.State)
	}
	if err := w.Model.CopyState(state); err != nil {
		return fmt.Errorf("copy the state of step %d: %w", w.applied, err)
	}
	w.saving.nonce = o.Save.Nonce
	save, epoch := *o.Save, int(o.Epoch)
	w.report(func(r *proto.Report) {
		r.Saved, r.Nonce, r.Volumes, r.SaveFailed = save.Step, save.Nonce, map[int]string{}, ""
	})
	w.saving.wg.Add(1)
	go func() {
		defer w.saving.wg.Done()
		w.writeVolumes(ctx, save, checkpoint.Writer{Epoch: epoch, Nonce: save.Nonce}, mine, *state)
		w.saving.spare.Store(state)
	}()
	return nil
}

// writeVolumes reports each volume when it is written. One that cannot be written is no end of the worker: the coordinator
// abandons the save and says why, and training goes on.
func (w *Worker) writeVolumes(ctx context.Context, save proto.Save, as checkpoint.Writer, mine []int, state tcl.State) {
	digest := tcl.ParamsSHA256(state.Params)
	for _, volume := range mine {
		fault.Point("mid-volume", save.Step)
		record, err := checkpoint.WriteVolume(ctx, w.Store, w.Lineage, save.Step+1, as, w.Volumes[volume], w.valuesOf(state))
		if err != nil {
			w.Log.Error("a volume could not be written", "step", save.Step, "volume", volume, "error", err)
			w.report(func(r *proto.Report) { r.SaveFailed = err.Error() })
			return
		}
		written := checkpoint.Written{Record: record, ParamsSHA256: digest}
		w.report(func(r *proto.Report) {
			if r.Nonce == save.Nonce {
				r.Volumes = maps.Clone(r.Volumes)
				r.Volumes[volume] = written.Encode()
			}
		})
	}
}

// valuesOf finds a checkpoint's items in the flat vectors of the model.
func (w *Worker) valuesOf(state tcl.State) func(checkpoint.Item) *tensor.Dense {
	return func(item checkpoint.Item) *tensor.Dense {
		place, ok := w.places[item.Name]
		if !ok {
			panic(fmt.Sprintf("worker: the model has no parameter %q", item.Name))
		}
		vector := map[checkpoint.Kind][]float32{checkpoint.Param: state.Params, checkpoint.FirstMoment: state.M1, checkpoint.SecondMoment: state.M2}[item.Kind]
		return dense.Of(vector[place.lo:place.hi], item.Shape...)
	}
}

type stretch struct{ lo, hi int }

// placesOf says where each parameter lies in the flat vectors: in name order, one behind the other.
func placesOf(list []tcl.Parameter) map[string]stretch {
	places := make(map[string]stretch, len(list))
	at := 0
	for _, p := range list {
		places[p.Name] = stretch{at, at + p.Len()}
		at += p.Len()
	}
	return places
}
