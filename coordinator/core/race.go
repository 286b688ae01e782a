package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/textground/textground/proto"
)

// pace remembers how long the newest lanes took from the moment their exchange was waited for, each exchange apart.
type pace struct{ times [4][]time.Duration }

// paceLanes bounds the memory of pace.
const paceLanes = 64

func (p *pace) add(x proto.Exchange, took time.Duration) {
	times := append(p.times[x], took)
	p.times[x] = times[max(0, len(times)-paceLanes):]
}

// median is known once a lane has come.
func (p *pace) median(x proto.Exchange) (took time.Duration, known bool) {
	if len(p.times[x]) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(p.times[x]))
	return sorted[len(sorted)/2], true
}

// raceLateLanes leases late lanes to idle members too, once for each lane and step. The first part wins; the second has
// the same bits.
func (m *Machine) raceLateLanes() {
	r := &m.round
	if !r.opened || m.holdsNextStep() {
		return
	}
	x := r.stage()
	usual, known := m.pace.median(x)
	if !known || m.clock.now-r.since < max(m.cfg.RaceFloor, usual*time.Duration(m.cfg.RaceFactor)) {
		return
	}
	late := slices.DeleteFunc(slices.Clone(r.missing[x]), func(lane int) bool { return slices.Contains(r.raced, lane) })
	load := m.load(r.leases, x)
	idle := slices.DeleteFunc(slices.Clone(m.members), func(name string) bool { return load[name] > 0 })
	if len(late) == 0 || len(idle) == 0 {
		return
	}
	slow := r.holders(r.step, late)
	second := spread(late, idle, map[string]int{})
	r.raced = append(r.raced, late...)
	m.setLeases(append(slices.Clone(r.leases), second...))
	text := fmt.Sprintf("%s of step %d late in %s: %v at %s, usual %v; raced by %s", lanesText(late), r.step, x, m.clock.now-r.since, listText(slow), usual, listText(idle[:min(len(idle), len(late))]))
	m.because("%s", text)
	m.note(Note{Kind: Raced, Lanes: late, Text: text})
}
