package core

import (
	"fmt"
	"slices"
)

// departure is a worker that has gone, kept until the lanes it held have been leased again and can be named.
type departure struct {
	worker string
	kind   Kind
	why    string
	step   int
	lanes  []int // missing ones of the open step that it held
	at     int   // place of its note among the actions
}

// toll counts the processes that died under each lane of one step.
type toll struct {
	fell   bool             // the run fell back since: it is allowed twice as many
	byLane map[int][]string // name/instance
}

func (t *toll) takeBack(process string) {
	for lane, dead := range t.byLane {
		t.byLane[lane] = slices.DeleteFunc(dead, func(p string) bool { return p == process })
	}
}

// depart notes that a worker has gone and counts it under the lanes it was computing, unless it went in peace.
func (m *Machine) depart(w *worker, kind Kind, why string) {
	if m.phase == over {
		return // when the run is over everybody goes
	}
	name := w.report.Worker
	d := departure{worker: name, kind: kind, why: why, step: m.round.step, lanes: m.round.missingOf(name)}
	d.at = len(m.actions)
	m.departed = append(m.departed, d)
	m.note(Note{Kind: kind, Worker: name, Lanes: d.lanes})
	if kind != Left && m.phase == holding {
		m.countDeath(name+"/"+w.report.Instance, d.lanes)
	}
}

// countDeath stops the run when too many processes have died under one lane of one step: its data or its computation kills
// them, and the next worker would be next.
func (m *Machine) countDeath(process string, lanes []int) {
	t := m.deaths[m.round.step]
	if t == nil {
		t = &toll{byLane: map[int][]string{}}
		m.deaths[m.round.step] = t
	}
	limit := m.cfg.DeathsPerLane
	if t.fell {
		limit *= 2
	}
	var worst []int
	for _, lane := range lanes {
		if !slices.Contains(t.byLane[lane], process) {
			t.byLane[lane] = append(t.byLane[lane], process)
		}
		if len(t.byLane[lane]) >= limit {
			worst = append(worst, lane)
		}
	}
	if len(worst) == 0 {
		return
	}
	reason := fmt.Sprintf("step %d, %s: %d workers died under it (%s)%s", m.round.step, lanesText(worst), limit, listText(t.byLane[worst[0]]), m.samplesText(m.round.step, worst))
	if m.cause != "" {
		reason += "; first cause: " + m.cause
	}
	m.stopFor(&stop{outcome: Failed, reason: reason, blocked: m.round.step})
}

// nameDepartures completes the notes of who has gone with where the lanes went.
func (m *Machine) nameDepartures() {
	for _, d := range m.departed {
		text := fmt.Sprintf("%s %s: %s", d.worker, verbOf[d.kind], d.why)
		if len(d.lanes) > 0 {
			text += fmt.Sprintf("; %s of step %d", lanesText(d.lanes), d.step)
			if to := m.round.holders(d.step, d.lanes); len(to) > 0 {
				text += " moved to " + listText(to)
			} else {
				text += " wait for a worker"
			}
		}
		note := m.actions[d.at].(Note)
		note.Text = text
		m.actions[d.at] = note
	}
	m.departed = nil
}

var verbOf = map[Kind]string{Died: "died", Broke: "failed", Left: "leaves"}
