package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Worker is what people are shown of one worker.
type Worker struct {
	Name, Instance string
	Class, Device  string
	Host           string
	PID            int
	Role           string // member, follower, ahead, leaving, refused, silent, failed
	Applied        int
	Lanes          []int // leased to it in the open step
	Doing          string
	Heard          time.Duration // how long ago
}

// Workers lists everybody heard of, by name.
func (m *Machine) Workers() []Worker {
	var list []Worker
	for _, name := range m.names() {
		w := m.workers[name]
		r := w.report
		v := Worker{Name: name, Instance: r.Instance, Class: r.Class, Device: r.Device, Host: r.Host, PID: r.PID,
			Role: m.role(w), Applied: r.Applied, Doing: r.Doing, Heard: m.clock.now - w.heard}
		for _, l := range m.round.leases {
			if l.Worker == name && m.isMember(name) {
				v.Lanes = append(v.Lanes, l.Lane)
			}
		}
		list = append(list, v)
	}
	return list
}

func (m *Machine) role(w *worker) string {
	switch {
	case w.ended:
		return "failed"
	case w.silent:
		return "silent"
	case w.refused != "":
		return "refused"
	case w.report.Leaving && m.phase != over: // at the end everybody goes
		return "leaving"
	case m.isMember(w.report.Worker):
		return "member"
	case w.report.Applied > m.committed:
		return "ahead"
	}
	return "follower"
}

// Waiting says in one line what the run waits for, and whom: the answer to "why does nothing happen?".
func (m *Machine) Waiting() string {
	switch m.phase {
	case collecting:
		return "looking for living state"
	case loading:
		return fmt.Sprintf("workers load the state after step %d", m.base.Step)
	case over, fenced:
		return "the run is over"
	}
	if m.holdsNextStep() {
		return "sealing: " + m.saveWaitsFor()
	}
	x := m.round.stage()
	if missing := m.round.missing[x]; len(missing) > 0 {
		return fmt.Sprintf("step %d waits for %s of %s from %s", m.round.step, x, lanesText(missing), m.doing(m.round.holders(m.round.step, missing)))
	}
	late := slices.DeleteFunc(slices.Clone(m.members), func(name string) bool { return m.workers[name].report.Applied == m.round.step })
	return fmt.Sprintf("step %d is being applied by %s", m.round.step, m.doing(late))
}

// doing names workers with what they say they are doing.
func (m *Machine) doing(names []string) string {
	var list []string
	for _, name := range names {
		text := name
		if doing := m.workers[name].report.Doing; doing != "" {
			text += " (" + doing + ")"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}
