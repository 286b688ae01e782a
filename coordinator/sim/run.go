package sim

import (
	"time"

	"github.com/textground/textground/coordinator/core"
	"github.com/textground/textground/internal/philox"
)

// Mutation breaks a part on purpose. The zero value breaks nothing.
type Mutation struct {
	Reducer func(lanes int) Reducer     // instead of exchange.Tree
	Machine func(*core.Machine) Machine // around core.Machine
}

// Result is one history.
type Result struct {
	Seed    uint64
	Failure string         // what was violated; empty when all went well
	Took    time.Duration  // virtual
	Events  int            // that happened
	Counts  map[string]int // faults, notes of the machine, commits, and so on
	Trace   []string       // what happened, where it was asked for
}

// Run plays the history of seed until the run is done or something is violated.
func Run(seed uint64, mutation Mutation, trace bool) Result {
	random := philox.NewKey(seed, philox.Test).Stream(0, 0, 0)
	w := &world{plan: newPlan(random, philox.NewKey(seed, philox.Test).Stream(1, 0, 0), mutation), random: random, store: newStore(), counts: map[string]int{}}
	if trace {
		w.log = new([]string)
	}
	w.net = &network{w: w, random: random, faulty: true, cut: map[link]bool{},
		drop: random.Range(0, 0.25), double: random.Range(0, 0.25), late: random.Range(0, 0.1)}
	w.numbers = numbers{philox.NewKey(seed+1, philox.Test), w.plan.Lanes}
	w.oracle = w.numbers.undisturbed(w.plan.Steps)
	w.trace("seed %d: %d lanes, %d steps, %d workers (%d to begin), a save every %d steps in %d volumes; faults for %v, one about every %v", seed, w.plan.Lanes, w.plan.Steps, w.plan.Workers, w.plan.MinWorkers, w.plan.SaveEvery, w.plan.Volumes, w.plan.Faults, w.plan.Every)
	w.startCoordinator()
	for range w.plan.Workers {
		w.addWorker()
	}
	w.clock.after(w.within(0, w.plan.Every), w.trouble)
	w.supervise()
	events := w.run()
	result := Result{Seed: seed, Failure: w.failure, Took: w.clock.now, Events: events, Counts: w.counts}
	if trace {
		result.Trace = *w.log
	}
	return result
}
