package sim

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/textground/textground/coordinator/core"
	"github.com/textground/textground/exchange"
	"github.com/textground/textground/proto"
)

// Machine is what decides: core.Machine, or a mutant of it.
type Machine interface {
	Handle(core.Event) []core.Action
}

// coordinator is one coordinator process: the machine, the hub, and the shell's few lines between them.
type coordinator struct {
	w           *world
	epoch       uint64
	machine     Machine
	hub         *hub
	paused      time.Duration // until then
	dead        bool
	storeFailed bool // in its time: a save may have failed
	finish      *core.Finish
	orders      proto.Orders
	heard       map[string]hearsay // the newest report of each worker, as delivered
}

type hearsay struct {
	report   proto.Report
	instance int // processes are numbered
}

const (
	coordinatorTick = 100 * time.Millisecond
	lingerFor       = 1500 * time.Millisecond
)

// startCoordinator starts a process with the next epoch, from what the store has on record.
func (w *world) startCoordinator() {
	w.store.epoch++
	machine, err := w.plan.machine(core.Config{
		Epoch: w.store.epoch, Lanes: w.plan.Lanes, Steps: w.plan.Steps, SaveEvery: w.plan.SaveEvery, Volumes: w.plan.Volumes,
		Class: "c", Base: w.store.base(), Known: maps.Clone(w.store.digests), Rates: ratesOf, MinWorkers: w.plan.MinWorkers,
		WaitFor: 5 * time.Second, DeathsPerLane: 1000,
	})
	if err != nil {
		panic(err)
	}
	c := &coordinator{w: w, epoch: w.store.epoch, machine: machine, heard: map[string]hearsay{},
		hub: &hub{lanes: w.plan.Lanes, reducer: w.plan.reducer, rounds: map[exchangeKey]*gathering{}}}
	w.coordinators = append(w.coordinators, c)
	w.trace("coordinator e%d starts from base %d", c.epoch, w.store.base().Step)
	c.tick()
}

func (c *coordinator) tick() {
	if c.dead {
		return
	}
	c.deliver(func() { c.handle(core.Tick{Now: c.w.clock.now}) })
	c.w.clock.after(coordinatorTick, c.tick)
}

// deliver runs do now, after the pause, or never.
func (c *coordinator) deliver(do func()) {
	switch {
	case c.dead:
	case c.w.clock.now < c.paused:
		c.w.clock.after(c.paused-c.w.clock.now, func() { c.deliver(do) })
	default:
		do()
	}
}

func (c *coordinator) handle(e core.Event) {
	for _, a := range c.machine.Handle(e) {
		c.carryOut(a)
	}
}

// handleReport remembers the newest report of each worker beside the machine, to hold its decisions against.
func (c *coordinator) handleReport(r proto.Report, instance int) {
	old := c.heard[r.Worker]
	if instance > old.instance || instance == old.instance && r.Sequence >= old.report.Sequence {
		c.heard[r.Worker] = hearsay{r, instance}
	}
	c.handle(core.Reported{Report: r})
}

func (c *coordinator) carryOut(a core.Action) {
	switch a := a.(type) {
	case core.Publish:
		c.publish(a)
	case core.OpenStep:
		c.hub.openStep(a.Step, a.Rates)
	case core.CloseSteps:
		c.hub.closeSteps(a.UpTo)
	case core.Commit:
		c.w.committed(c, a)
	case core.Seal:
		c.w.clock.after(c.w.within(20*time.Millisecond, 400*time.Millisecond), func() { c.deliver(func() { c.seal(a) }) })
	case core.Note:
		c.w.counts[string(a.Kind)]++
		c.w.trace("e%d note %s: %s", c.epoch, a.Kind, a.Text)
	case core.Finish:
		c.w.trace("e%d finish %s: %s", c.epoch, a.Outcome, a.Reason)
		c.finish = &a
		c.w.clock.after(lingerFor, func() { c.deliver(c.exit) })
	}
}

func (c *coordinator) publish(a core.Publish) {
	if a.Orders.Sequence != c.orders.Sequence {
		c.w.trace("e%d #%d %s step %d turn %d members %v leases %v: %s", c.epoch, a.Orders.Sequence, a.Orders.Mode, a.Orders.Step, a.Orders.Turn, a.Orders.Members, a.Orders.Leases, a.Why)
	}
	c.orders = a.Orders
	c.w.checkMembers(c)
	c.hub.follow(len(a.Orders.Peers) > 0)
	for _, p := range c.w.workers {
		c.w.net.send(coordinatorEnd, p.name, func() { p.deliver(func() { p.hearOrders(a.Orders) }) })
	}
}

func (c *coordinator) seal(a core.Seal) {
	var err error
	if c.w.storeFails() {
		err = fmt.Errorf("the store answers 503")
	} else {
		err = c.w.store.seal(c.epoch, a.Step, a.Nonce, c.w.plan.Volumes)
	}
	c.w.sealed(c, a, err)
	c.handle(core.Sealed{Step: a.Step, Nonce: a.Nonce, Manifest: fmt.Sprint(a.Step), Err: err, Fenced: errors.Is(err, errFenced)})
}

// exit ends a coordinator whose run has ended; a fenced one leaves the run to its successor.
func (c *coordinator) exit() {
	c.dead = true
	if c.finish.Outcome != core.Fenced {
		c.w.runEnded(c)
	}
}

// takePart is the hub's side of a part: the answer goes back to the sender.
func (c *coordinator) takePart(p part, from *process) {
	if p.epoch != c.epoch {
		return
	}
	outcome, answered := c.hub.add(p)
	if outcome == exchange.Conflict {
		c.w.fail("%s gave another value for %v of step %d, %s", from.name, p.node, p.step, p.exchange)
	}
	if outcome == exchange.Kept {
		g := c.hub.rounds[p.exchangeKey]
		progress := g.progress(p.exchangeKey)
		if progress.Complete {
			c.w.checkCensus(p.exchangeKey, g)
			c.announce(p.exchangeKey)
		}
		c.handle(progress)
	}
	if answered {
		c.w.net.send(coordinatorEnd, from.name, func() { from.deliver(func() { from.acknowledged(p) }) })
	}
}

// announce tells everybody that a reduced vector can be had.
func (c *coordinator) announce(k exchangeKey) {
	for _, p := range c.w.workers {
		c.w.net.send(coordinatorEnd, p.name, func() { p.deliver(func() { p.pull(k) }) })
	}
}

// givePull answers a request for a reduced vector: with it, with "gone", or not at all while it is incomplete. One that is
// not finite is as good as none: nobody applies it.
func (c *coordinator) givePull(k exchangeKey, epoch uint64, to *process) {
	if epoch != c.epoch {
		return
	}
	g := c.hub.rounds[k]
	if g == nil {
		if k.step < c.hub.open {
			c.w.net.send(coordinatorEnd, to.name, func() { to.deliver(func() { to.gone(k, epoch) }) })
		}
		return
	}
	if chunks, complete := g.reduced(); complete && len(g.poison) == 0 {
		c.w.net.send(coordinatorEnd, to.name, func() { to.deliver(func() { to.received(k, epoch, chunks, g.rates) }) })
	}
}
