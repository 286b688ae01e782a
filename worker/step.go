package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/textground/textground/exchange"
	"github.com/textground/textground/internal/fault"
	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/tcl"
)

// step is the open step as this worker sees it.
type step struct {
	number int
	phase  int // known once lanes are leased
	ctx    context.Context
	cancel context.CancelFunc

	texts     *future // [N*E] float32
	columns   *future // [2*N] float64
	gradients *future // the reduced gradient

	sendings  []*exchange.Sending
	groups    []*group
	forwarded []int
	done      []int
}

// group is the lanes that were leased together: it sends one part for each subtree they fill.
type group struct {
	lanes     []int // rising
	parts     []proto.Node
	passes    map[int]*tcl.Pass
	forwarded int // lanes[:forwarded] have been passed forward
	backward  int // lanes[:backward] have been passed backward
	columns   accumulator[float64]
	gradients accumulator[float32]
}

// future is a reduced vector on its way.
type future struct {
	ready chan struct{}
	value exchange.Reduced
	err   error
}

func (f *future) isReady() bool {
	select {
	case <-f.ready:
		return true
	default:
		return false
	}
}

// await starts pulling one exchange's result; the worker's loop is woken when it is there.
func (w *Worker) await(ctx context.Context, number int, x proto.Exchange) *future {
	f := &future{ready: make(chan struct{})}
	go func() {
		f.value, f.err = w.Client.Await(ctx, number, x)
		close(f.ready)
		w.inbox.nudge()
	}()
	return f
}

// enterStep makes number the open step, unless it is already.
func (w *Worker) enterStep(ctx context.Context, number int) {
	if w.open != nil && w.open.number == number {
		return
	}
	w.endStep()
	inner, cancel := context.WithCancel(ctx)
	w.open = &step{number: number, ctx: inner, cancel: cancel}
	w.open.gradients = w.await(inner, number, proto.Gradients)
	w.report(func(r *proto.Report) { r.Step, r.Forwarded, r.Done = number, nil, nil })
}

// endStep drops the open step and frees its activations.
func (w *Worker) endStep() {
	if w.open == nil {
		return
	}
	w.open.cancel()
	for _, f := range []*future{w.open.texts, w.open.columns, w.open.gradients} {
		if f != nil {
			<-f.ready // a client awaits one step of an exchange at a time
		}
	}
	for _, g := range w.open.groups {
		for _, p := range g.passes {
			w.Model.Release(p)
		}
	}
	w.open = nil
}

// work does the next piece of the open step and reports whether there was one. The order of the pieces is the order of
// urgency: what others wait for comes first.
func (w *Worker) work(o *proto.Orders) (bool, error) {
	if w.open == nil || o == nil {
		return false, nil
	}
	s := w.open
	if err := s.checkSendings(); err != nil {
		return false, err
	}
	if s.gradients.isReady() {
		return w.apply(s)
	}
	w.takeLeases(o)
	if lane, ok := w.wantedText(o, s.number); ok {
		return true, w.contributeText(s, s.number, lane)
	}
	for _, g := range s.groups {
		if worked, err := w.advance(s, g); worked || err != nil {
			return worked, err
		}
	}
	if lane, ok := w.wantedText(o, s.number+1); ok {
		return true, w.contributeText(s, s.number+1, lane)
	}
	return false, nil
}

// takeLeases makes a group of the lanes that are leased to this worker and that no group has yet.
func (w *Worker) takeLeases(o *proto.Orders) {
	s := w.open
	if o.Step != s.number {
		return
	}
	var fresh []int
	for _, l := range o.Leases {
		if l.Worker == w.Name && !s.holds(l.Lane) {
			fresh = append(fresh, l.Lane)
		}
	}
	if len(fresh) == 0 {
		return
	}
	slices.Sort(fresh)
	s.phase = o.Rates.Phase
	s.groups = append(s.groups, &group{lanes: fresh, parts: proto.Cover(fresh, w.Lanes), passes: map[int]*tcl.Pass{},
		columns: accumulator[float64]{lanes: w.Lanes}, gradients: accumulator[float32]{lanes: w.Lanes}})
	if s.texts == nil {
		s.texts = w.await(s.ctx, s.number, proto.Texts)
		s.columns = w.await(s.ctx, s.number, proto.Columns)
	}
	w.Loader.Prefetch(s.number, fresh)
	w.Loader.Prefetch(s.number+1, fresh)
}

func (s *step) holds(lane int) bool {
	return slices.ContainsFunc(s.groups, func(g *group) bool { return slices.Contains(g.lanes, lane) })
}

// advance does the next pass of a group that can be done now: forward lanes first, so that the others get their columns.
func (w *Worker) advance(s *step, g *group) (bool, error) {
	if g.forwarded < len(g.lanes) && s.texts.isReady() {
		if s.texts.err != nil {
			return false, w.ignoreLate(s, s.texts.err)
		}
		return true, w.forward(s, g, g.lanes[g.forwarded])
	}
	if g.forwarded == len(g.lanes) && g.backward < len(g.lanes) && s.columns.isReady() {
		if s.columns.err != nil {
			return false, w.ignoreLate(s, s.columns.err)
		}
		if notFinite(s.columns.value) {
			return false, nil // the coordinator knows and stops the run
		}
		return true, w.backward(s, g, g.lanes[g.backward])
	}
	return false, nil
}

// ignoreLate forgives what a step that is over can bring: the worker was paused or has moved on. If the reduced gradient is
// gone too, apply sees to it that a newer state is copied.
func (w *Worker) ignoreLate(s *step, err error) error {
	if s.ctx.Err() != nil || errors.Is(err, exchange.ErrGone) {
		return nil
	}
	return err
}

func notFinite(r exchange.Reduced) bool { return len(r.NonFinite) > 0 || r.SumNonFinite }

// forward computes one lane's scores and hands its column sums over when a subtree is full.
func (w *Worker) forward(s *step, g *group, lane int) error {
	w.doing("forward", lane)
	batch, err := w.Loader.Batch(s.ctx, s.number, lane)
	if err != nil {
		return fmt.Errorf("step %d, lane %d: %w", s.number, lane, err)
	}
	noise := make([]float32, w.NoiseLen)
	philox.NewKey(w.Seed, philox.Gumbel).Uniforms(noise, uint32(s.number), uint32(lane))
	pass, err := w.Model.Forward(tcl.Batch{Lane: lane, Images: batch.Images, Noise: noise}, s.texts.value.Float32)
	if err != nil {
		return fmt.Errorf("step %d, forward pass of lane %d: %w", s.number, lane, err)
	}
	columns, err := pass.Columns()
	if err != nil {
		return fmt.Errorf("step %d, forward pass of lane %d: %w", s.number, lane, err)
	}
	g.passes[lane] = pass
	g.forwarded++
	fault.Point("before-columns", s.number)
	leaf := partial[float64]{node: proto.Node{Lo: lane, Hi: lane + 1}, values: slices.Clone(columns)}
	if !finite(columns) {
		leaf.nonFinite = []int{lane}
	}
	if top := g.columns.push(leaf); slices.Contains(g.parts, top.node) {
		part := g.columns.take()
		s.contribute(w.Client, exchange.Part{Step: s.number, Exchange: proto.Columns, Node: part.node, Float64: part.values, NonFinite: part.nonFinite})
		s.forwarded = append(s.forwarded, between(part.node)...)
		w.report(func(r *proto.Report) { r.Forwarded = slices.Clone(s.forwarded) })
	}
	return nil
}

// backward computes one lane's gradient and hands the sum over when a subtree is full.
func (w *Worker) backward(s *step, g *group, lane int) error {
	w.doing("backward", lane)
	grads := g.gradients.buffer(w.Model.GradientLen(s.phase))
	losses, err := w.Model.Backward(g.passes[lane], s.columns.value.Float64, s.phase, grads, nil)
	if err != nil {
		return fmt.Errorf("step %d, backward pass of lane %d: %w", s.number, lane, err)
	}
	w.Model.Release(g.passes[lane])
	delete(g.passes, lane)
	g.backward++
	fault.Poison("nan", s.number, grads)
	leaf := partial[float32]{node: proto.Node{Lo: lane, Hi: lane + 1}, values: grads, tail: losses[:]}
	if !finite(grads) || !finite(losses[:]) {
		leaf.nonFinite = []int{lane}
	}
	if top := g.gradients.push(leaf); slices.Contains(g.parts, top.node) {
		part := g.gradients.take()
		s.contribute(w.Client, exchange.Part{Step: s.number, Exchange: proto.Gradients, Node: part.node, Float32: part.values, Tail: part.tail, NonFinite: part.nonFinite})
		s.done = append(s.done, between(part.node)...)
		w.report(func(r *proto.Report) { r.Done = slices.Clone(s.done) })
	}
	return nil
}

// contribute hands a part over; checkSendings looks what became of it.
func (s *step) contribute(c *exchange.Client, p exchange.Part) {
	s.sendings = append(s.sendings, c.Contribute(p))
}

// checkSendings fails where the coordinator calls a part impossible. Parts that came too late, or that are under way
// already, are no loss.
func (s *step) checkSendings() error {
	for _, sending := range s.sendings {
		select {
		case <-sending.Done():
			if err := sending.Err(); errors.Is(err, exchange.ErrRefusedBy) || errors.Is(err, exchange.ErrPermission) {
				return err
			}
		default:
		}
	}
	return nil
}

// between lists the lanes of a node.
func between(n proto.Node) []int {
	var lanes []int
	for k := n.Lo; k < n.Hi; k++ {
		lanes = append(lanes, k)
	}
	return lanes
}

// wantedText returns a lane of the given step whose captions the orders ask this worker for.
func (w *Worker) wantedText(o *proto.Orders, number int) (lane int, ok bool) {
	for _, t := range o.Texts {
		if t.Worker == w.Name && t.Step == number && !w.textSent(number, t.Lane) {
			return t.Lane, true
		}
	}
	return 0, false
}

// contributeText embeds one lane's captions. Texts are frozen, so those of the next step may go ahead.
func (w *Worker) contributeText(s *step, number, lane int) error {
	w.doing("texts", lane)
	tokens, err := w.Loader.Tokens(s.ctx, number, lane)
	if err != nil {
		return fmt.Errorf("step %d, captions of lane %d: %w", number, lane, err)
	}
	texts, err := w.Model.EmbedTexts(tokens)
	if err != nil {
		return fmt.Errorf("step %d, captions of lane %d: %w", number, lane, err)
	}
	part := exchange.Part{Step: number, Exchange: proto.Texts, Node: proto.Node{Lo: lane, Hi: lane + 1}, Float32: texts}
	if !finite(texts) {
		part.NonFinite = []int{lane}
	}
	s.contribute(w.Client, part)
	w.markText(number, lane)
	fault.Point("after-texts", number)
	return nil
}

// apply updates the model with the reduced gradient and reports the digest of what came out.
func (w *Worker) apply(s *step) (bool, error) {
	if errors.Is(s.gradients.err, exchange.ErrGone) {
		w.missed = true
		w.endStep()
		return true, nil
	}
	if s.gradients.err != nil {
		return false, w.ignoreLate(s, s.gradients.err)
	}
	reduced := s.gradients.value
	if notFinite(reduced) {
		return false, nil // the coordinator knows, seals the last committed step and stops the run
	}
	rates, err := proto.DecodeRates(reduced.Note)
	if err != nil {
		return false, fmt.Errorf("step %d: %w", s.number, err)
	}
	w.doing("apply", -1)
	fault.Point("before-apply", s.number)
	applied, err := w.Model.Apply(reduced.Float32, rates.Phase, tcl.Rates{Rate: math.Float64frombits(rates.RateBits), Count: rates.Count, BlockCount: rates.BlockCount})
	if err != nil {
		return false, fmt.Errorf("step %d, update: %w", s.number, err)
	}
	fault.Point("after-apply", s.number)
	w.endStep()
	g := applied.Gauges
	w.hold(s.number, applied.Digest, proto.Update{GradNorm: applied.GradNorm, Scale: g.Scale, Bias: g.Bias, Gates: g.Gates})
	return true, nil
}

func (w *Worker) doing(what string, lane int) {
	if lane >= 0 {
		what = fmt.Sprintf("%s lane %d", what, lane)
	}
	w.report(func(r *proto.Report) { r.Doing = what })
}
