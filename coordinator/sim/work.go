package sim

import (
	"slices"
	"time"

	"github.com/textground/textground/proto"
)

// nextPiece chooses what to do next, in the order of urgency: what others wait for comes first.
func (p *process) nextPiece(o *proto.Orders) (took time.Duration, piece func()) {
	if o.Mode == proto.Loading {
		return p.loadPiece(*o.Base)
	}
	s := p.open
	if s == nil {
		return 0, nil
	}
	if s.gradients != nil {
		return 15 * time.Millisecond, func() { p.hold(s.number, apply(p.params, s.gradients, s.rates)) }
	}
	p.takeLeases(o)
	if took, piece := p.textPiece(o, s.number); piece != nil {
		return took, piece
	}
	for _, g := range s.groups {
		switch {
		case g.forwarded < len(g.lanes) && s.texts != nil:
			return 40 * time.Millisecond, func() { p.forward(s, g) }
		case g.forwarded == len(g.lanes) && g.backward < len(g.lanes) && s.columns != nil:
			return 60 * time.Millisecond, func() { p.backward(s, g) }
		}
	}
	return p.textPiece(o, s.number+1)
}

func (p *process) loadPiece(base proto.Base) (time.Duration, func()) {
	if p.loaded != nil && *p.loaded == base && p.applied == base.Step {
		return 0, nil
	}
	return 150 * time.Millisecond, func() {
		params := p.w.numbers.initial()
		if base.Step != proto.Initial {
			var err error
			if params, err = p.w.store.read(p.w.store.manifests[base.Step]); err != nil {
				p.w.fail("the base cannot be loaded: %v", err)
				return
			}
		}
		p.loaded = &base
		p.hold(base.Step, params)
	}
}

// takeLeases makes a group of the lanes that no group has yet.
func (p *process) takeLeases(o *proto.Orders) {
	s := p.open
	if o.Step != s.number {
		return
	}
	var fresh []int
	for _, l := range o.Leases {
		held := slices.ContainsFunc(s.groups, func(g *group) bool { return slices.Contains(g.lanes, l.Lane) })
		if l.Worker == p.name && !held {
			fresh = append(fresh, l.Lane)
		}
	}
	if len(fresh) == 0 {
		return
	}
	s.groups = append(s.groups, &group{lanes: fresh, nodes: proto.Cover(fresh, p.w.plan.Lanes)})
	p.pull(exchangeKey{s.number, proto.Texts})
	p.pull(exchangeKey{s.number, proto.Columns})
}

func (p *process) textPiece(o *proto.Orders, step int) (time.Duration, func()) {
	for _, t := range o.Texts {
		if t.Worker == p.name && t.Step == step && !p.texts[place{step, t.Lane}] {
			return 5 * time.Millisecond, func() {
				p.texts[place{step, t.Lane}] = true
				p.contribute(part{exchangeKey: exchangeKey{step, proto.Texts}, node: proto.Node{Lo: t.Lane, Hi: t.Lane + 1}, values: []float32{p.w.numbers.text(step, t.Lane)}})
			}
		}
	}
	return 0, nil
}

// forward passes one lane; the column sums of a subtree leave when its last lane is through.
func (p *process) forward(s *openStep, g *group) {
	if p.open != s {
		return
	}
	g.forwarded++
	node, full := filled(g, g.lanes[g.forwarded-1])
	if !full {
		return
	}
	sum := treeSum(node, func(lane int) []float32 { return p.w.numbers.column(s.number, lane, s.texts, p.params) })
	p.contribute(part{exchangeKey: exchangeKey{s.number, proto.Columns}, node: node, values: sum})
	p.change(func(r *proto.Report) { r.Forwarded = append(r.Forwarded, g.lanes[g.forwarded-1]) })
}

// backward passes one lane; the gradient of a subtree leaves in chunks, the last of them a little later.
func (p *process) backward(s *openStep, g *group) {
	if p.open != s {
		return
	}
	g.backward++
	node, full := filled(g, g.lanes[g.backward-1])
	if !full {
		return
	}
	for chunk := range gradientChunks {
		sum := treeSum(node, func(lane int) []float32 { return p.w.numbers.gradient(s.number, lane, chunk, s.columns, p.params) })
		x := part{exchangeKey: exchangeKey{s.number, proto.Gradients}, node: node, chunk: chunk, values: sum}
		if bad := p.w.plan.Poison; chunk == gradientChunks-1 && bad != nil && bad.step == s.number && node.Lo <= bad.lane && bad.lane < node.Hi {
			x.poison = []int{bad.lane}
		}
		send := func() {
			if p.open == s {
				p.contribute(x)
			}
		}
		p.w.clock.after(time.Duration(chunk)*20*time.Millisecond, func() { p.deliver(send) })
	}
	p.change(func(r *proto.Report) { r.Done = append(r.Done, g.lanes[g.backward-1]) })
}

// filled returns the subtree of the group that ends with lane, if there is one: lanes are passed in rising order.
func filled(g *group, lane int) (proto.Node, bool) {
	i := slices.IndexFunc(g.nodes, func(n proto.Node) bool { return n.Hi == lane+1 })
	if i < 0 {
		return proto.Node{}, false
	}
	return g.nodes[i], true
}

func (p *process) contribute(x part) {
	x.epoch = p.epoch
	o := &outgoing{part: x}
	p.outbox = append(p.outbox, o)
	p.sendPart(o)
}

func (p *process) sendPart(o *outgoing) {
	o.at = p.w.clock.now
	p.w.toCoordinators(p.name, func(c *coordinator) { c.takePart(o.part, p) })
}

func (p *process) acknowledged(x part) {
	p.outbox = slices.DeleteFunc(p.outbox, func(o *outgoing) bool {
		return o.part.exchangeKey == x.exchangeKey && o.part.node == x.node && o.part.chunk == x.chunk && o.part.epoch == x.epoch
	})
}

// pullAll asks again for every reduced vector that is still needed.
func (p *process) pullAll() {
	if p.open == nil {
		return
	}
	p.pull(exchangeKey{p.open.number, proto.Gradients})
	if len(p.open.groups) > 0 {
		p.pull(exchangeKey{p.open.number, proto.Texts})
		p.pull(exchangeKey{p.open.number, proto.Columns})
	}
}

// pull asks for a reduced vector, if it is needed.
func (p *process) pull(k exchangeKey) {
	if !p.needs(k) {
		return
	}
	epoch := p.epoch
	p.w.toCoordinators(p.name, func(c *coordinator) { c.givePull(k, epoch, p) })
}

func (p *process) needs(k exchangeKey) bool {
	s := p.open
	if s == nil || s.number != k.step {
		return false
	}
	switch k.exchange {
	case proto.Texts:
		return s.texts == nil
	case proto.Columns:
		return s.columns == nil
	}
	return s.gradients == nil
}

func (p *process) received(k exchangeKey, epoch uint64, chunks [][]float32, rates proto.Rates) {
	if epoch != p.epoch || !p.needs(k) {
		return
	}
	switch k.exchange {
	case proto.Texts:
		p.open.texts = chunks[0]
	case proto.Columns:
		p.open.columns = chunks[0]
	default:
		p.open.gradients, p.open.rates = chunks, rates
	}
	p.look()
}

// gone says that the hub no longer keeps what was asked for.
func (p *process) gone(k exchangeKey, epoch uint64) {
	if epoch == p.epoch && p.needs(k) && k.exchange == proto.Gradients {
		p.missed = true
		p.look()
	}
}
