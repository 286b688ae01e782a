package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/textground/textground/proto"
)

// round is what is known of the open step.
type round struct {
	step      int
	opened    bool
	fresh     bool     // no lane has been leased yet
	missing   [4][]int // by exchange: lanes that are not in, sorted; replaced, never changed in place
	nextTexts []int    // the same for the texts of step+1
	complete  bool     // the reduced gradient can be had
	leases    []proto.Lease
	leasedTo  []string // the members when the leases were looked through last
	texts     []proto.TextLease
	raced     []int         // lanes that have been leased a second time
	since     time.Duration // when the exchange that is waited for became the one
}

func allLanes(n int) []int {
	lanes := make([]int, n)
	for k := range lanes {
		lanes[k] = k
	}
	return lanes
}

// openStep opens the step after the committed one. Texts that came ahead of it are in already.
func (m *Machine) openStep() {
	step := m.committed + 1
	all := allLanes(m.cfg.Lanes)
	next := round{step: step, opened: true, fresh: true, missing: [4][]int{proto.Texts: all, proto.Columns: all, proto.Gradients: all}, nextTexts: all, since: m.clock.now}
	if m.round.opened && m.round.step == step-1 {
		next.missing[proto.Texts] = m.round.nextTexts
	}
	m.round = next
	why := fmt.Sprintf("step %d is next", step)
	m.because("%s", why)
	m.do(OpenStep{Step: step, Rates: m.cfg.Rates(step), Why: why})
}

// stage is the exchange that the step waits for.
func (r *round) stage() proto.Exchange {
	for _, x := range []proto.Exchange{proto.Texts, proto.Columns} {
		if len(r.missing[x]) > 0 {
			return x
		}
	}
	return proto.Gradients
}

// missingOf lists the lanes that a worker holds and that the step still needs from it.
func (r *round) missingOf(worker string) []int {
	var lanes []int
	for _, l := range r.leases {
		if l.Worker == worker && r.opened && contains(r.missing[proto.Gradients], l.Lane) {
			lanes = append(lanes, l.Lane)
		}
	}
	return lanes
}

// holders lists who holds any of the lanes, if step is the open one.
func (r *round) holders(step int, lanes []int) []string {
	var names []string
	for _, l := range r.leases {
		if r.opened && r.step == step && contains(lanes, l.Lane) && !slices.Contains(names, l.Worker) {
			names = append(names, l.Worker)
		}
	}
	slices.Sort(names)
	return names
}

func contains(sorted []int, lane int) bool {
	_, found := slices.BinarySearch(sorted, lane)
	return found
}

func (m *Machine) onProgress(e Progress) {
	r := &m.round
	if !r.opened || e.Step != r.step && (e.Step != r.step+1 || e.Exchange != proto.Texts) || e.Exchange < proto.Texts || e.Exchange > proto.Gradients {
		return
	}
	if e.Step == r.step+1 {
		r.nextTexts = both(r.nextTexts, m.laneList(e.Missing))
	} else {
		m.arrived(e.Exchange, both(r.missing[e.Exchange], m.laneList(e.Missing)))
		r.complete = r.complete || e.Exchange == proto.Gradients && e.Complete
	}
	if len(e.NonFinite) > 0 || e.SumNonFinite {
		m.notFinite(e)
	}
}

// both lists what is in a and in b, both sorted: while a step is open lanes only come in, so progress that was overtaken by
// a newer one takes nothing back.
func both(a, b []int) []int {
	return slices.DeleteFunc(slices.Clone(a), func(lane int) bool { return !contains(b, lane) })
}

// laneList sorts lanes and drops numbers that are none.
func (m *Machine) laneList(lanes []int) []int {
	list := slices.DeleteFunc(slices.Clone(lanes), func(k int) bool { return k < 0 || k >= m.cfg.Lanes })
	slices.Sort(list)
	return slices.Compact(list)
}

// arrived takes in what is still missing and times the lanes that have come.
func (m *Machine) arrived(x proto.Exchange, missing []int) {
	r := &m.round
	before := r.stage()
	if x == before {
		for _, lane := range r.missing[x] {
			if !contains(missing, lane) {
				m.pace.add(x, m.clock.now-r.since)
			}
		}
	}
	r.missing[x] = missing
	if r.stage() != before {
		r.since = m.clock.now
	}
}
