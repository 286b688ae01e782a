package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/textground/textground/proto"
)

// process is one worker process: it follows orders as package worker does, with work that takes virtual time.
type process struct {
	w        *world
	name     string
	instance int
	slow     float64 // how much longer its work takes
	dead     bool
	paused   time.Duration // until then

	epoch  uint64
	turn   int
	orders *proto.Orders
	report proto.Report

	applied int
	params  []float32
	loaded  *proto.Base
	open    *openStep
	busy    bool
	outbox  []*outgoing
	texts   map[place]bool // contributed in this turn
	copying *copying
	missed  bool // the next reduced gradient is no longer kept
	nonce   string
	leaving bool

	reportAt time.Duration
	pullAt   time.Duration
}

type place struct{ step, lane int }

// outgoing is a part that is sent again until it is acknowledged.
type outgoing struct {
	part part
	at   time.Duration
}

// copying is a state on its way from a peer.
type copying struct {
	peer string
	at   time.Duration
}

// openStep is the step that a worker is in.
type openStep struct {
	number    int
	texts     []float32
	columns   []float32
	gradients [][]float32
	rates     proto.Rates
	groups    []*group
}

// group is the lanes leased together; each subtree that they fill leaves as one part.
type group struct {
	lanes     []int
	nodes     []proto.Node
	forwarded int // lanes[:forwarded] are through
	backward  int
}

const (
	workerTick  = 100 * time.Millisecond
	resendAfter = 300 * time.Millisecond
	pullEvery   = 250 * time.Millisecond
	copyWithin  = time.Second
)

func (w *world) startProcess(name string) {
	w.instances++
	p := &process{w: w, name: name, instance: w.instances, slow: 1, applied: proto.NoStep}
	if w.random.Chance(0.2) {
		p.slow = w.random.Range(2, 8)
	}
	p.report = proto.Report{Worker: name, Instance: fmt.Sprintf("%05d", p.instance), Class: "c", Applied: proto.NoStep, Step: proto.NoStep, Saved: proto.NoStep}
	w.workers[slices.Index(w.names, name)] = p
	w.trace("%s/%d starts", name, p.instance)
	p.tick()
}

// deliver runs do now, after the pause, or never.
func (p *process) deliver(do func()) {
	switch {
	case p.dead:
	case p.w.clock.now < p.paused:
		p.w.clock.after(p.paused-p.w.clock.now, func() { p.deliver(do) })
	default:
		do()
	}
}

// tick sends again what has not been answered.
func (p *process) tick() {
	if p.dead {
		return
	}
	p.deliver(func() {
		now := p.w.clock.now
		if now-p.reportAt >= proto.ResendEvery {
			p.sendReport()
		}
		for _, o := range p.outbox {
			if now-o.at >= resendAfter {
				p.sendPart(o)
			}
		}
		if now-p.pullAt >= pullEvery {
			p.pullAt = now
			p.pullAll()
		}
		if p.copying != nil && now-p.copying.at > copyWithin {
			p.copying = nil
		}
		p.look()
	})
	p.w.clock.after(workerTick, p.tick)
}

// change alters the report and sends it.
func (p *process) change(alter func(*proto.Report)) {
	alter(&p.report)
	p.report.Sequence++
	p.sendReport()
}

func (p *process) sendReport() {
	p.reportAt = p.w.clock.now
	r := p.report
	r.Forwarded, r.Done, r.Volumes = slices.Clone(r.Forwarded), slices.Clone(r.Done), maps.Clone(r.Volumes)
	p.w.toCoordinators(p.name, func(c *coordinator) { c.handleReport(r, p.instance) })
}

func (p *process) hearOrders(o proto.Orders) {
	if p.orders != nil && (o.Epoch < p.orders.Epoch || o.Epoch == p.orders.Epoch && o.Sequence <= p.orders.Sequence) {
		return
	}
	p.orders = &o
	p.look()
}

// look does the next piece of work, unless one is under way.
func (p *process) look() {
	if p.busy || p.orders == nil || p.obey(p.orders) {
		return
	}
	took, piece := p.nextPiece(p.orders)
	if piece == nil {
		return
	}
	p.busy = true
	epoch, turn := p.epoch, p.turn
	p.w.clock.after(time.Duration(float64(took)*p.slow*p.w.random.Range(0.5, 1.5)), func() {
		p.deliver(func() {
			p.busy = false
			if p.epoch == epoch && p.turn == turn {
				piece()
			}
			p.look()
		})
	})
}

// obey brings the worker in line with the orders. It reports whether that is all for now.
func (p *process) obey(o *proto.Orders) bool {
	if o.Epoch != p.epoch || o.Turn != p.turn {
		p.epoch, p.turn = o.Epoch, o.Turn
		p.open, p.texts, p.outbox = nil, map[place]bool{}, nil
		p.change(func(r *proto.Report) { r.Epoch, r.Step, r.Forwarded, r.Done = o.Epoch, proto.NoStep, nil, nil })
	}
	holdsLane := slices.ContainsFunc(o.Leases, func(l proto.Lease) bool { return l.Worker == p.name })
	over := o.Mode == proto.Finished || o.Mode == proto.Stopped
	if over {
		p.change(func(r *proto.Report) { r.Leaving = true })
	}
	if over || p.leaving && !holdsLane {
		p.exit()
		return true
	}
	if o.Mode == proto.Loading {
		return false
	}
	p.startSave(o)
	p.follow(o)
	return false
}

func (p *process) exit() {
	p.dead = true
	p.w.trace("%s/%d exits", p.name, p.instance)
}

// follow gets the worker to the open step: by a copy of a peer's state, or by applying what it missed.
func (p *process) follow(o *proto.Orders) {
	peer, named := o.Peers[p.name]
	behind := p.applied == proto.NoStep || p.applied < o.Committed-proto.MaxBehind || p.missed
	switch {
	case p.copying != nil:
	case named && behind:
		p.open = nil
		p.copying = &copying{peer, p.w.clock.now}
		if q := p.w.process(peer); q != nil {
			p.w.net.send(p.name, peer, func() { q.deliver(func() { q.giveState(p) }) })
		}
	case p.applied >= proto.Initial && p.applied < o.Step && (p.open == nil || p.open.number != p.applied+1):
		p.open = &openStep{number: p.applied + 1}
		p.change(func(r *proto.Report) { r.Step, r.Forwarded, r.Done = p.applied+1, nil, nil })
		p.pull(exchangeKey{p.open.number, proto.Gradients})
	}
}

func (p *process) giveState(to *process) {
	if p.applied == proto.NoStep {
		return
	}
	step, params := p.applied, slices.Clone(p.params)
	p.w.net.send(p.name, to.name, func() {
		to.deliver(func() {
			if to.copying != nil && to.copying.peer == p.name {
				to.copying, to.missed = nil, false
				to.hold(step, params)
				to.look()
			}
		})
	})
}

// hold makes params the worker's state after step.
func (p *process) hold(step int, params []float32) {
	p.applied, p.params, p.open = step, params, nil
	p.change(func(r *proto.Report) { r.Applied, r.Digest = step, digestOf(params) })
}

// startSave copies the state and writes the volumes that the orders name, in the background.
func (p *process) startSave(o *proto.Orders) {
	if o.Save == nil || o.Save.Step != p.applied || o.Save.Nonce == p.nonce {
		return
	}
	save, params := *o.Save, slices.Clone(p.params)
	p.nonce = save.Nonce
	p.change(func(r *proto.Report) {
		r.Saved, r.Nonce, r.Volumes, r.SaveFailed = save.Step, save.Nonce, map[int]string{}, ""
	})
	for v := range p.w.plan.Volumes {
		if save.Writers[v] == p.name {
			p.w.clock.after(p.w.within(20*time.Millisecond, 900*time.Millisecond), func() {
				p.deliver(func() { p.writeVolume(save, v, params) })
			})
		}
	}
}

func (p *process) writeVolume(save proto.Save, v int, params []float32) {
	if p.w.storeFails() {
		if p.nonce == save.Nonce {
			p.change(func(r *proto.Report) { r.SaveFailed = "the store answers 503" })
		}
		return
	}
	p.w.store.volumes[volumeKey{save.Step, save.Nonce, v}] = volumeOf(params, v, p.w.plan.Volumes)
	if p.nonce == save.Nonce {
		p.change(func(r *proto.Report) { r.Volumes[v] = "written" })
	}
}
