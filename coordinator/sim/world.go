package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/textground/textground/coordinator/core"
	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/proto"
)

// Liveness is how long after the faults have stopped, or after a commit, the next commit may take.
const Liveness = 40 * time.Second

// world is everything that exists in one history.
type world struct {
	plan    plan
	clock   clock
	random  *philox.Stream
	net     *network
	store   *store
	numbers numbers
	oracle  []string // digest after every step of an undisturbed run, from the initial state on

	names        []string
	workers      []*process // by place in names; nil before the first start
	coordinators []*coordinator
	instances    int

	healed   bool
	ending   bool // the run has stopped early and waits to be resumed
	done     bool
	progress time.Duration // of the last commit, or of the end of the faults
	failure  string
	counts   map[string]int
	log      *[]string // nil unless tracing
}

func (w *world) trace(format string, args ...any) {
	if w.log != nil {
		*w.log = append(*w.log, fmt.Sprintf("%10.3fs  ", w.clock.now.Seconds())+fmt.Sprintf(format, args...))
	}
}

// fail notes the first violation; the history ends with it.
func (w *world) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
		w.trace("VIOLATION: %s", w.failure)
	}
}

func (w *world) within(lo, hi time.Duration) time.Duration {
	return time.Duration(w.random.Range(float64(lo), float64(hi)))
}

func (w *world) process(name string) *process {
	i := slices.Index(w.names, name)
	if i < 0 || w.workers[i] == nil || w.workers[i].dead {
		return nil
	}
	return w.workers[i]
}

// toCoordinators sends to whoever listens as a coordinator: also to one that does not know yet that it has a successor.
func (w *world) toCoordinators(from string, hear func(*coordinator)) {
	for _, c := range w.coordinators {
		if !c.dead {
			w.net.send(from, coordinatorEnd, func() { c.deliver(func() { hear(c) }) })
		}
	}
}

// run lets things happen until the run is done or something is violated.
func (w *world) run() (events int) {
	for w.failure == "" && !w.done && w.clock.step() {
		events++
		if w.healed && w.clock.now-w.progress > Liveness {
			w.fail("no step was committed for %v after the faults had stopped", Liveness)
		}
	}
	return events
}

// committed checks a commit against the undisturbed run and the record.
func (w *world) committed(c *coordinator, a core.Commit) {
	w.trace("e%d commit step %d %s", c.epoch, a.Step, a.Digest)
	if want := w.oracle[a.Step+1]; a.Digest != want {
		w.fail("step %d is committed with digest %s, the undisturbed run has %s", a.Step, a.Digest, want)
	}
	if bad := w.plan.Poison; bad != nil && a.Step >= bad.step {
		w.fail("step %d is committed though lane %d was not finite in step %d", a.Step, bad.lane, bad.step)
	}
	if on, again := w.store.digests[a.Step]; again && on != a.Digest {
		w.fail("step %d has two digests, %s and %s", a.Step, on, a.Digest)
	}
	w.store.digests[a.Step] = a.Digest
	w.counts["commits"]++
	w.progress = max(w.progress, w.clock.now)
}

// storeFails says whether the store fails this once.
func (w *world) storeFails() bool {
	fails := w.net.faulty && w.random.Chance(w.plan.StoreFails)
	if fails {
		w.counts["store failed"]++
		for _, c := range w.coordinators {
			c.storeFailed = true
		}
	}
	return fails
}

// checkMembers holds the orders against what the coordinator was told: a member has the committed state.
func (w *world) checkMembers(c *coordinator) {
	o := c.orders
	if len(o.Refused) > 0 {
		w.fail("honest workers are refused: %v", o.Refused)
	}
	if o.Mode != proto.Running && o.Mode != proto.Sealing {
		return
	}
	for _, name := range o.Members {
		if r := c.heard[name].report; r.Applied < o.Committed {
			w.fail("%s is a member after step %d, but has applied step %d", name, o.Committed, r.Applied)
		}
	}
}

// checkCensus demands that a complete sum counts each lane exactly once.
func (w *world) checkCensus(k exchangeKey, g *gathering) {
	if k.exchange == proto.Texts {
		return
	}
	chunks, _ := g.reduced()
	for i, chunk := range chunks {
		if got, want := chunk[len(chunk)-1], w.numbers.complete(); got != want {
			w.fail("step %d, %s, chunk %d: the census of the lanes is %o, want %o", k.step, k.exchange, i, int(got), int(want))
		}
	}
}

// sealed checks what a manifest names.
func (w *world) sealed(c *coordinator, a core.Seal, err error) {
	w.trace("e%d seal step %d %s: %v", c.epoch, a.Step, a.Nonce, err)
	if err != nil {
		return
	}
	w.counts["sealed"]++
	params, err := w.store.read(w.store.manifests[a.Step])
	if err != nil {
		w.fail("a manifest names what is missing: %v", err)
		return
	}
	if got, want := digestOf(params), w.oracle[a.Step+1]; got != want {
		w.fail("the sealed state of step %d has digest %s, want %s", a.Step, got, want)
	}
}

// named is how a run that stops for a lane that is not finite must name it.
func (p place) named() string {
	return fmt.Sprintf("step %d: gradients of lane %d not finite", p.step, p.lane)
}

// runEnded checks how the run ended. One that was asked to stop, or whose store failed, is resumed by its operator.
func (w *world) runEnded(c *coordinator) {
	f := c.finish
	switch {
	case f.Outcome == core.Done:
		w.done = true
		if base := w.store.base(); base.Step != w.plan.Steps-1 {
			w.fail("the run is done, but the newest checkpoint is of step %d", base.Step)
		}
	case f.Outcome == core.Asked, strings.HasPrefix(f.Reason, askedReason), strings.Contains(f.Reason, "could not be sealed") && c.storeFailed:
		w.resume()
	case w.plan.Poison != nil && strings.HasPrefix(f.Reason, w.plan.Poison.named()):
		w.done = true
		w.counts["poisoned"]++
		if base := w.store.base(); base.Step != w.plan.Poison.step-1 && !strings.Contains(f.Reason, "could not be sealed") {
			w.fail("the run stopped before step %d, but the newest checkpoint is of step %d", w.plan.Poison.step, base.Step)
		}
	default:
		w.fail("the run ended: %s", f.Reason)
	}
}
