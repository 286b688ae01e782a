package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/dataset"
	"github.com/textground/textground/exchange"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/store"
	"github.com/textground/textground/tcl"
)

// Config is what a worker needs to know and to hold. Everything in it belongs to the caller and outlives the worker.
type Config struct {
	Name, Instance string // Instance differs between two processes of one name
	Run            string
	Class, Device  string
	Host           string
	PID            int

	Lanes        int
	NoiseLen     int // uniforms of one lane, B*P
	Seed         uint64
	Model        *tcl.Model
	InitialState tcl.State // the seed's state before step 0
	Loader       *dataset.Loader
	Store        store.Store
	Lineage      checkpoint.Lineage
	Volumes      []checkpoint.Volume
	Client       *exchange.Client
	Bus          *exchange.Bus
	Address      string // of the bus, for messages
	Log          hclog.Logger
}

// ErrOrphaned ends a worker that has heard no coordinator for proto.OrphanedFor.
var ErrOrphaned = errors.New("no coordinator")

// Worker is one member of a run.
type Worker struct {
	Config
	inbox    *inbox
	reporter *reporter
	epoch    uint64
	turn     int
	applied  int    // last step whose update the model holds
	digest   string // of the parameters after applied
	open     *step  // the step that is being computed, nil between steps
	places   map[string]stretch
	following
	saving
	serving
	leaving bool
}

// New returns a worker that holds no state yet.
func New(cfg Config) *Worker {
	w := &Worker{Config: cfg, inbox: newInbox(), applied: proto.NoStep, places: placesOf(tcl.Trainables(cfg.Model.Config()))}
	w.reporter = newReporter(cfg)
	w.serving.requests = make(chan snapshotRequest)
	return w
}

// Run takes part in the run until the coordinator says that it is over, in whatever way (nil), ctx ends, or something fails
// here; the error is reported to the coordinator first, so that its cause is shown where the run was started. Ending ctx
// leaves the run in good order: the lanes are given away first.
func (w *Worker) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.Background())
	defer cancel()
	unsubscribe, err := w.Bus.OnOrders(func(o proto.Orders) { w.inbox.put(&o) })
	if err != nil {
		return fmt.Errorf("listen for orders: %w", err)
	}
	defer unsubscribe()
	stopServing, err := w.Client.ServeState(w.snapshot)
	if err != nil {
		return fmt.Errorf("serve state: %w", err)
	}
	defer stopServing()
	stopReporting := w.reporter.start(w.Bus)
	defer stopReporting()
	defer w.saving.wg.Wait()
	defer w.endStep()

	err = w.loop(ctx, inner)
	if err != nil && !errors.Is(err, context.Canceled) {
		w.report(func(r *proto.Report) { r.Failed = err.Error() })
	}
	return err
}

// loop looks at the orders, does one piece of work, and looks again.
func (w *Worker) loop(ctx, inner context.Context) error {
	heard := time.NewTimer(proto.OrphanedFor)
	defer heard.Stop()
	for {
		if ctx.Err() != nil && !w.leaving {
			w.leave()
		}
		w.answerWaiting()
		orders := w.inbox.orders()
		over, err := w.obey(inner, orders)
		if over || err != nil {
			return err
		}
		if w.leaving && !holdsLanes(orders, w.Name) {
			return nil
		}
		worked, err := w.work(orders)
		if err != nil {
			return err
		}
		if !worked {
			if err := w.rest(ctx, heard); err != nil {
				return err
			}
		}
	}
}

// rest waits for something to happen: new orders, data of the step, a snapshot asked for, the end.
func (w *Worker) rest(ctx context.Context, heard *time.Timer) error {
	done := ctx.Done()
	if w.leaving {
		done = nil
	}
	select {
	case <-w.inbox.wake:
		heard.Reset(proto.OrphanedFor)
	case request := <-w.serving.requests:
		w.answer(request)
	case <-done:
	case <-heard.C:
		return fmt.Errorf("%w for %v at %s: is it running? start it again with: textground resume %s", ErrOrphaned, proto.OrphanedFor, w.Address, w.Config.Run)
	}
	return nil
}

// leave says that the worker goes: its lanes are given away, or the coordinator need not wait for it at the end.
func (w *Worker) leave() {
	w.leaving = true
	w.report(func(r *proto.Report) { r.Leaving = true })
}

func holdsLanes(o *proto.Orders, worker string) bool {
	if o == nil {
		return false
	}
	for _, l := range o.Leases {
		if l.Worker == worker {
			return true
		}
	}
	return false
}

// obey brings the worker in line with the orders, except for the computing itself. It reports whether the run is over.
func (w *Worker) obey(ctx context.Context, o *proto.Orders) (over bool, err error) {
	if o == nil {
		return false, nil
	}
	if o.Epoch != w.epoch || o.Turn != w.turn {
		w.enterTurn(o.Epoch, o.Turn)
	}
	if why, refused := o.Refused[w.Name]; refused {
		return true, fmt.Errorf("the run refuses this worker: %s", why)
	}
	switch o.Mode {
	case proto.Finished, proto.Stopped:
		w.Log.Info("the run is over", "reason", o.Reason)
		w.leave()
		return true, nil
	case proto.Loading:
		return false, w.load(ctx, o.Base)
	}
	if err := w.startSave(ctx, o); err != nil {
		return false, err
	}
	return false, w.follow(ctx, o)
}

// enterTurn drops whatever was under way for an older coordinator or before the run fell back.
func (w *Worker) enterTurn(epoch uint64, turn int) {
	w.epoch, w.turn = epoch, turn
	w.endStep()
	w.forget()
	w.Client.BeginEpoch(epoch)
	w.report(func(r *proto.Report) { r.Epoch, r.Step, r.Forwarded, r.Done = epoch, proto.NoStep, nil, nil })
}

func (w *Worker) report(change func(*proto.Report)) { w.reporter.change(w.Bus, change) }
