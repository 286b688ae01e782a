package core

import (
	"fmt"
	"math"

	"github.com/textground/textground/proto"
)

// stop says that the run must end before its last step.
type stop struct {
	outcome Outcome
	reason  string
	blocked int // the first step that must not be applied any more
}

// holdsNextStep reports whether the run ends with the committed step: no lane is computed while its state is sealed. A step
// whose reduced gradient is there, or that somebody has applied, is finished first.
func (m *Machine) holdsNextStep() bool {
	if m.committed >= m.cfg.last() {
		return true
	}
	if m.stop == nil {
		return false
	}
	open := m.committed + 1
	finish := m.round.opened && m.round.step == open && open < m.stop.blocked && (m.round.complete || len(m.applied()) > 0)
	return !finish
}

// stopFor sets the run on its end. The first cause stays; what a later one forbids to apply is not applied either.
func (m *Machine) stopFor(s *stop) {
	switch {
	case m.phase == over || m.stop != nil && s.blocked >= m.stop.blocked:
		return
	case m.stop != nil:
		m.stop.blocked = s.blocked
	default:
		m.stop = s
	}
	m.because("%s", s.reason)
	m.note(Note{Kind: Stopping, Text: s.reason})
}

func (m *Machine) onStopAsked(e StopAsked) {
	m.stopFor(&stop{outcome: Asked, reason: e.Reason, blocked: math.MaxInt})
}

// onConflict stops the run before the sum in doubt is applied. Mixed classes differ by nature.
func (m *Machine) onConflict(e Conflict) {
	if !e.Node.Valid(m.cfg.Lanes) {
		return
	}
	text := fmt.Sprintf("step %d, %s, %s: %s computed different values", e.Step, e.Exchange, lanesText(allLanes(e.Node.Hi)[e.Node.Lo:]), listText(e.Workers))
	m.alarm(text)
	if !m.cfg.Mixed {
		m.stopFor(&stop{outcome: Failed, reason: text + ": suspect the memory or device of one of them", blocked: e.Step})
	}
}

// notFinite stops the run before values that are not finite are applied, and names where they come from.
func (m *Machine) notFinite(e Progress) {
	lanes := m.laneList(e.NonFinite)
	where := fmt.Sprintf("step %d: the sum of the %s is not finite, though every lane is", e.Step, e.Exchange)
	if len(lanes) > 0 {
		where = fmt.Sprintf("step %d: %s of %s not finite", e.Step, e.Exchange, lanesText(lanes))
		if by := m.round.holders(m.round.step, lanes); len(by) > 0 {
			where += ", computed by " + listText(by)
		}
	}
	m.stopFor(&stop{outcome: Failed, reason: where + m.samplesText(e.Step, lanes), blocked: e.Step})
}

func (m *Machine) alarm(text string) {
	m.note(Note{Kind: Alarm, Text: text})
}

// holdAtEnd ends the run once the committed state is sealed, and gives up where it cannot be.
func (m *Machine) holdAtEnd() {
	if !m.holdsNextStep() {
		m.held = -1
		return
	}
	if m.held < 0 {
		m.held = m.clock.now
	}
	_, refused := m.refusedAtEnd()
	switch {
	case m.base.Step >= m.committed:
		m.endSealed()
	case len(m.writers()) == 0:
		m.endUnsealed("no member holds exactly that state")
	case m.clock.now-m.held >= m.cfg.SealWithin:
		m.endUnsealed(fmt.Sprintf("not sealed within %v: %s", m.cfg.SealWithin, m.saveWaitsFor()))
	case m.save == nil && refused && m.clock.now-m.retry.at < retryEvery:
	case m.save == nil || m.save.order.Step != m.committed:
		m.orderSave()
	}
}

// endSealed ends a run whose committed state needs no further save.
func (m *Machine) endSealed() {
	switch {
	case m.stop == nil:
		m.end(Done, fmt.Sprintf("all steps up to %d are committed and sealed", m.committed))
	case m.fellBack():
		m.endWithoutState()
	default:
		m.end(m.stop.outcome, m.stop.reason+"; "+m.sealedText())
	}
}

// fellBack reports whether later steps than the committed one are on record: whoever held their states is gone.
func (m *Machine) fellBack() bool {
	for step := range m.known {
		if step > m.committed {
			return true
		}
	}
	return false
}

func (m *Machine) endUnsealed(why string) {
	reason := fmt.Sprintf("the state after step %d could not be sealed: %s; %s", m.committed, why, m.sealedText())
	if m.stop != nil {
		reason = m.stop.reason + "; " + reason
	}
	m.end(Failed, reason)
}

// endWithoutState ends a run that is asked to stop while no worker holds the committed state.
func (m *Machine) endWithoutState() {
	if m.began {
		m.end(Failed, m.stop.reason+"; what was committed last could not be sealed: no living worker holds it; "+m.sealedText())
		return
	}
	m.end(m.stop.outcome, m.stop.reason+"; no step was under way")
}

func (m *Machine) sealedText() string {
	if m.base.Step == proto.Initial {
		return "nothing is sealed yet"
	}
	return fmt.Sprintf("the state after step %d is sealed", m.base.Step)
}

// end is the end of the run: the orders say so from now on.
func (m *Machine) end(outcome Outcome, reason string) {
	m.phase, m.mode, m.reason = over, proto.Stopped, reason
	if outcome == Done {
		m.mode = proto.Finished
	}
	m.why = []string{reason}
	m.finish = &Finish{Outcome: outcome, Reason: reason, Sealed: m.base.Step}
}

// Deserted reports, after the end, whether every worker that is heard has taken note of it and left.
func (m *Machine) Deserted() bool {
	for _, w := range m.workers {
		if !w.silent && !w.ended && !w.report.Leaving {
			return false
		}
	}
	return true
}

// saveWaitsFor names what the save that ends the run still needs.
func (m *Machine) saveWaitsFor() string {
	if why, refused := m.refusedAtEnd(); refused {
		return why
	}
	if m.save == nil {
		return "no save is under way"
	}
	for v := range m.cfg.Volumes {
		if _, written := m.save.records[v]; !written {
			return fmt.Sprintf("volume %d of %s", v, m.save.order.Writers[v])
		}
	}
	return "the manifest is being written"
}
