package worker

import (
	"context"
	"fmt"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/exchange"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/tcl"
)

// following is a worker's way to the state of the others: from a checkpoint, from a peer, then step by step.
type following struct {
	loaded *proto.Base // the base that the model was loaded from last
	fetch  *fetch      // a copy on its way from a peer
	texts  map[textPlace]bool
	missed bool // the reduced gradient of the next step is no longer kept: a newer copy is needed
}

type textPlace struct{ step, lane int }

type fetch struct {
	peer string
	done chan struct{}
	copy exchange.State
	err  error
}

func (f *following) textSent(step, lane int) bool { return f.texts[textPlace{step, lane}] }

func (f *following) markText(step, lane int) {
	if f.texts == nil {
		f.texts = map[textPlace]bool{}
	}
	for place := range f.texts {
		if place.step < step-1 {
			delete(f.texts, place)
		}
	}
	f.texts[textPlace{step, lane}] = true
}

// forget drops what was contributed to an earlier coordinator or turn.
func (f *following) forget() { f.texts = nil }

// load brings the model to the base that nobody living holds: the initial state or a sealed checkpoint.
func (w *Worker) load(ctx context.Context, base *proto.Base) error {
	if base == nil || w.loaded != nil && *w.loaded == *base && w.applied == base.Step {
		return nil
	}
	w.endStep()
	w.doing("load", -1)
	state := w.InitialState
	if base.Step != proto.Initial {
		sealed, err := w.loadSealed(ctx, base.Step)
		if err != nil {
			return err
		}
		state = sealed
	}
	if err := w.Model.SetState(state); err != nil {
		return fmt.Errorf("load the state of step %d: %w", base.Step, err)
	}
	w.loaded = base
	return w.holdNew(base.Step)
}

// loadSealed reads the checkpoint of the state after step: checkpoints count committed steps, of which that is the last.
func (w *Worker) loadSealed(ctx context.Context, step int) (tcl.State, error) {
	manifest, err := checkpoint.ReadManifest(ctx, w.Store, w.Lineage, step+1)
	if err != nil {
		return tcl.State{}, err
	}
	sealed, err := checkpoint.Load(ctx, w.Store, manifest)
	if err != nil {
		return tcl.State{}, err
	}
	return tcl.State{Params: sealed.Flat(checkpoint.Param), M1: sealed.Flat(checkpoint.FirstMoment), M2: sealed.Flat(checkpoint.SecondMoment)}, nil
}

// holdNew is hold for a state that came from elsewhere and whose digest is not known yet.
func (w *Worker) holdNew(step int) error {
	digest, err := w.Model.Digest()
	if err != nil {
		return fmt.Errorf("digest after step %d: %w", step, err)
	}
	w.hold(step, digest, proto.Update{})
	return nil
}

// hold reports that the model holds the state after step.
func (w *Worker) hold(step int, digest string, update proto.Update) {
	w.applied, w.digest = step, digest
	w.report(func(r *proto.Report) { r.Applied, r.Digest, r.Update, r.Doing = step, digest, update, "" })
}

// follow gets the worker to the open step: it copies a peer's state if it has none, and applies what it missed.
func (w *Worker) follow(ctx context.Context, o *proto.Orders) error {
	if w.fetch != nil {
		return w.finishFetch()
	}
	if peer, ok := o.Peers[w.Name]; ok && w.behind(o) {
		w.startFetch(ctx, peer)
		return nil
	}
	if w.applied >= proto.Initial && w.applied < o.Step {
		w.enterStep(ctx, w.applied+1)
	}
	return nil
}

// behind reports whether the reduced gradients that this worker misses are no longer kept.
func (w *Worker) behind(o *proto.Orders) bool {
	return w.applied == proto.NoStep || w.applied < o.Committed-proto.MaxBehind || w.missed
}

func (w *Worker) startFetch(ctx context.Context, peer string) {
	w.endStep()
	w.doing("copy state from "+peer, -1)
	f := &fetch{peer: peer, done: make(chan struct{})}
	w.fetch = f
	go func() {
		f.copy, f.err = w.Client.FetchState(ctx, peer)
		close(f.done)
		w.inbox.nudge()
	}()
}

// finishFetch takes the copied state over. A peer that died on the way costs another try, with the peer that the next
// orders name.
func (w *Worker) finishFetch() error {
	f := w.fetch
	select {
	case <-f.done:
	default:
		return nil
	}
	w.fetch = nil
	if f.err != nil {
		w.Log.Warn("copying the state failed; it is tried again", "peer", f.peer, "error", f.err)
		return nil
	}
	if err := w.Model.SetState(tcl.State{Params: f.copy.Params, M1: f.copy.M1, M2: f.copy.M2}); err != nil {
		return fmt.Errorf("state of step %d from %s: %w", f.copy.Step, f.peer, err)
	}
	w.missed = false
	if err := w.holdNew(f.copy.Step); err != nil {
		return err
	}
	if w.digest != f.copy.Digest {
		return fmt.Errorf("state of step %d from %s has digest %s here, %s there", f.copy.Step, f.peer, w.digest, f.copy.Digest)
	}
	return nil
}

// serving hands this worker's state to followers.
type serving struct{ requests chan snapshotRequest }

type snapshotRequest struct {
	ctx   context.Context
	reply chan<- snapshotReply
}

type snapshotReply struct {
	state exchange.State
	err   error
}

// snapshot is called from the bus: it asks the worker's own goroutine, which alone touches the model, for a copy at the
// next boundary.
func (w *Worker) snapshot(ctx context.Context) (exchange.State, error) {
	reply := make(chan snapshotReply, 1)
	select {
	case w.serving.requests <- snapshotRequest{ctx, reply}:
	case <-ctx.Done():
		return exchange.State{}, ctx.Err()
	}
	select {
	case r := <-reply:
		return r.state, r.err
	case <-ctx.Done():
		return exchange.State{}, ctx.Err()
	}
}

// answerWaiting serves a follower that asked while the worker was busy.
func (w *Worker) answerWaiting() {
	select {
	case request := <-w.serving.requests:
		w.answer(request)
	default:
	}
}

func (w *Worker) answer(request snapshotRequest) {
	if w.applied == proto.NoStep {
		request.reply <- snapshotReply{err: fmt.Errorf("%s holds no state yet", w.Name)}
		return
	}
	state, err := w.Model.State()
	request.reply <- snapshotReply{exchange.State{Step: w.applied, Digest: w.digest, Params: state.Params, M1: state.M1, M2: state.M2}, err}
}
