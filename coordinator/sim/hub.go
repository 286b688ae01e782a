package sim

import (
	"slices"

	"github.com/textground/textground/coordinator/core"
	"github.com/textground/textground/exchange"
	"github.com/textground/textground/proto"
)

// Reducer adds up one chunk over the lanes. [exchange.Tree] is the real one; mutants take its place to be caught.
type Reducer interface {
	Add(node proto.Node, values []float32) exchange.Outcome
	Sum() (values []float32, complete bool)
	Missing() []int
}

type exchangeKey struct {
	step     int
	exchange proto.Exchange
}

// part is one chunk of what a worker contributes.
type part struct {
	exchangeKey
	epoch  uint64
	node   proto.Node
	chunk  int
	values []float32
	poison []int // lanes whose values are not finite; with the last chunk
}

// hub models the coordinator's side of package exchange.
type hub struct {
	lanes     int
	reducer   func() Reducer
	open      int
	following bool
	rounds    map[exchangeKey]*gathering
}

// gathering collects one exchange of one step.
type gathering struct {
	lanes  int
	chunks []Reducer   // sums
	texts  [][]float32 // concatenation, by lane
	rates  proto.Rates
	poison []int // lanes whose values are not finite
}

func (h *hub) openStep(step int, rates proto.Rates) {
	h.open = step
	add := func(step int, x proto.Exchange, chunks int) {
		key := exchangeKey{step, x}
		if h.rounds[key] != nil {
			return
		}
		g := &gathering{lanes: h.lanes, rates: rates}
		for range chunks {
			g.chunks = append(g.chunks, h.reducer())
		}
		if x == proto.Texts {
			g.texts = make([][]float32, h.lanes)
		}
		h.rounds[key] = g
	}
	add(step, proto.Texts, 0)
	add(step+1, proto.Texts, 0)
	add(step, proto.Columns, 1)
	add(step, proto.Gradients, gradientChunks)
}

func (h *hub) closeSteps(upTo int) {
	keep := 0
	if h.following {
		keep = proto.MaxBehind
	}
	h.forget(func(k exchangeKey) bool {
		switch k.exchange {
		case proto.Texts:
			return k.step < upTo
		case proto.Gradients:
			return k.step <= upTo-keep
		}
		return k.step <= upTo
	})
}

func (h *hub) follow(following bool) {
	h.following = following
	if !following {
		h.forget(func(k exchangeKey) bool { return k.exchange == proto.Gradients && k.step < h.open })
	}
}

func (h *hub) forget(closed func(exchangeKey) bool) {
	for k := range h.rounds {
		if closed(k) {
			delete(h.rounds, k)
		}
	}
}

// add takes a part in. answered is false where the step is not open yet: the sender tries again.
func (h *hub) add(p part) (outcome exchange.Outcome, answered bool) {
	g := h.rounds[p.exchangeKey]
	if g == nil {
		return exchange.Dropped, p.step <= h.open
	}
	if p.exchange == proto.Texts {
		return g.addText(p), true
	}
	outcome = g.chunks[p.chunk].Add(p.node, p.values)
	if outcome == exchange.Kept {
		g.poison = append(g.poison, p.poison...)
	}
	return outcome, true
}

func (g *gathering) addText(p part) exchange.Outcome {
	if old := g.texts[p.node.Lo]; old != nil {
		if slices.Equal(old, p.values) {
			return exchange.Duplicate
		}
		return exchange.Conflict
	}
	g.texts[p.node.Lo] = p.values
	return exchange.Kept
}

// missing lists lanes that are not in with every chunk.
func (g *gathering) missing() []int {
	var lanes []int
	for lane, text := range g.texts {
		if text == nil {
			lanes = append(lanes, lane)
		}
	}
	for _, c := range g.chunks {
		lanes = append(lanes, c.Missing()...)
	}
	slices.Sort(lanes)
	return slices.Compact(lanes)
}

// reduced returns the outcome by chunks, once it is complete.
func (g *gathering) reduced() (chunks [][]float32, complete bool) {
	if g.texts != nil {
		all := make([]float32, g.lanes)
		for lane, text := range g.texts {
			if text == nil {
				return nil, false
			}
			all[lane] = text[0]
		}
		return [][]float32{all}, true
	}
	for _, c := range g.chunks {
		sum, ok := c.Sum()
		if !ok {
			return nil, false
		}
		chunks = append(chunks, slices.Clone(sum))
	}
	return chunks, true
}

func (g *gathering) progress(k exchangeKey) core.Progress {
	_, complete := g.reduced()
	return core.Progress{Step: k.step, Exchange: k.exchange, Missing: g.missing(), Complete: complete, NonFinite: g.poison}
}
