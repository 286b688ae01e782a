package core

import (
	"fmt"
)

// compareDigests stops the run when members that have applied the open step hold different parameters.
func (m *Machine) compareDigests() {
	if wrong := disagreement(m.applied()); wrong != "" && !m.cfg.Mixed {
		m.alarm(wrong)
		m.end(Failed, wrong)
	}
}

// applied lists the members that have applied the open step.
func (m *Machine) applied() []holder {
	var list []holder
	for _, name := range m.members {
		if r := m.workers[name].report; r.Applied == m.committed+1 {
			list = append(list, holder{name, r.Applied, r.Digest})
		}
	}
	return list
}

// commitWhenApplied commits the open step once every member has applied it.
func (m *Machine) commitWhenApplied() {
	applied := m.applied()
	if !m.round.opened || len(applied) == 0 || len(applied) < len(m.members) {
		return
	}
	step, digest := m.round.step, applied[0].digest
	on, again := m.known[step]
	if again && on != digest && !m.cfg.Mixed {
		wrong := fmt.Sprintf("step %d, committed again, gives digest %s (%s); the record has %s", step, digest, listText(m.members), on)
		m.alarm(wrong)
		m.end(Failed, wrong)
		return
	}
	m.commit(step, digest, again)
}

// commit makes step the committed one and opens the next: the orders published after it say both.
func (m *Machine) commit(step int, digest string, again bool) {
	why := fmt.Sprintf("%s applied step %d with one digest", listText(m.members), step)
	m.because("%s", why)
	m.do(Commit{Step: step, Digest: digest, Again: again, Why: why})
	m.committed, m.digest, m.known[step] = step, digest, digest
	delete(m.deaths, step)
	if m.cfg.saveDue(step) {
		m.orderSave()
	}
	m.admit()
	if m.holdsNextStep() {
		m.round = round{step: step + 1}
	} else {
		m.openStep()
	}
	m.closeBehind()
}

// closeBehind closes the exchanges of the committed steps. What followers still need of them the exchange keeps.
func (m *Machine) closeBehind() {
	m.do(CloseSteps{UpTo: m.committed, Why: "all members have applied them"})
}
