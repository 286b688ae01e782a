package core

import (
	"fmt"
	"slices"
	"strings"

	"github.com/textground/textground/proto"
)

// holder is a worker with a state that the run may go on from.
type holder struct {
	worker string
	step   int // the last one applied
	digest string
}

// verdict is what settle found: wrong says that the run must stop, load that nobody holds state, else members hold the
// state after step.
type verdict struct {
	wrong  string
	load   bool
	step   int
	digest string
	why    string
}

// settle decides what the run goes on from: the highest applied step among the holders, which must have one digest, and
// the one on record if there is any. Without holders it is the base. Holders are given in name order and are not behind
// the base.
func settle(holders []holder, known map[int]string, mixed bool) verdict {
	if len(holders) == 0 {
		return verdict{load: true, why: "nobody holds the state of the base or a newer one"}
	}
	highest := slices.MaxFunc(holders, func(a, b holder) int { return a.step - b.step }).step
	top := slices.DeleteFunc(slices.Clone(holders), func(h holder) bool { return h.step < highest })
	if wrong := disagreement(top); wrong != "" && !mixed {
		return verdict{wrong: wrong}
	}
	if on, ok := known[highest]; ok && on != top[0].digest && !mixed {
		return verdict{wrong: fmt.Sprintf("after step %d %s has digest %s, the record has %s", highest, top[0].worker, top[0].digest, on)}
	}
	return verdict{step: highest, digest: top[0].digest, why: fmt.Sprintf("%s: the state after step %d is the newest alive", top[0].worker, highest)}
}

// disagreement names holders of one step with different digests, or returns nothing. Among three or more the majority is
// called likely right.
func disagreement(top []holder) string {
	groups := map[string][]string{}
	var digests []string
	for _, h := range top {
		if groups[h.digest] == nil {
			digests = append(digests, h.digest)
		}
		groups[h.digest] = append(groups[h.digest], h.worker)
	}
	if len(digests) < 2 {
		return ""
	}
	slices.SortStableFunc(digests, func(a, b string) int { return len(groups[b]) - len(groups[a]) })
	var sides []string
	for _, d := range digests {
		sides = append(sides, fmt.Sprintf("%s: %s", listText(groups[d]), d))
	}
	text := fmt.Sprintf("workers hold different parameters after step %d (%s)", top[0].step, strings.Join(sides, "; "))
	if most := groups[digests[0]]; len(top) >= 3 && len(most) > len(groups[digests[1]]) {
		text += "; likely right: " + listText(most)
	}
	return text
}

// holders lists the fit workers whose state is not behind the base.
func (m *Machine) holders() []holder {
	var list []holder
	for _, name := range m.names() {
		w := m.workers[name]
		if w.fit() && w.report.Applied >= m.base.Step && w.report.Applied != proto.NoStep {
			list = append(list, holder{name, w.report.Applied, w.report.Digest})
		}
	}
	return list
}

// loseState is called when no member is left. Members that are certainly dead hold nothing; silent ones may come back, so
// there is time for them before the run falls back to its base.
func (m *Machine) loseState(gone []string) {
	if t := m.deaths[m.round.step]; t != nil {
		t.fell = true
	}
	m.phase, m.until = collecting, m.clock.now
	for _, name := range gone {
		if m.workers[name].silent {
			m.until = m.clock.now + m.cfg.CollectFor
		}
	}
	m.peers, m.held = nil, -1
	m.round.leases, m.round.leasedTo = m.round.leases[:0:0], nil
	m.because("no member holds the state after step %d any more", m.committed)
	m.note(Note{Kind: FellBack, Text: fmt.Sprintf("no member is left that holds the state after step %d; looking for the newest state", m.committed)})
}

// settleWhenDue ends the collecting. A checkpoint that is being sealed is waited for: it may become the base.
func (m *Machine) settleWhenDue() {
	if m.clock.now < m.until || m.save != nil {
		return
	}
	v := settle(m.holders(), m.known, m.cfg.Mixed)
	switch {
	case v.wrong != "":
		m.end(Failed, v.wrong)
	case !v.load:
		m.goOnFrom(v.step, v.digest, v.why)
	case m.stop != nil:
		m.endWithoutState()
	default:
		m.loadBase(v.why)
	}
}

func (m *Machine) loadBase(why string) {
	if m.base.Step >= m.cfg.last() {
		m.committed, m.digest = m.base.Step, m.known[m.base.Step]
		m.endSealed()
		return
	}
	m.phase, m.until = loading, m.clock.now+m.cfg.WaitFor
	m.committed, m.digest = m.base.Step, m.known[m.base.Step]
	m.because("everybody loads the state after step %d: %s", m.base.Step, why)
}

// startWhenLoaded opens the first step when enough workers have loaded the base, or goes on from a newer state if one
// turns up after all.
func (m *Machine) startWhenLoaded() {
	holders := m.holders()
	switch {
	case m.stop != nil:
		m.endWithoutState()
		return
	case len(holders) == 0:
		return
	}
	v := settle(holders, m.known, m.cfg.Mixed)
	switch {
	case v.wrong != "":
		m.end(Failed, v.wrong)
	case v.step > m.base.Step || m.began || len(holders) >= m.cfg.MinWorkers || m.clock.now >= m.until:
		m.goOnFrom(v.step, v.digest, v.why)
	}
}

// goOnFrom makes the state after step the committed one and opens the step after it. What has been contributed to that
// step stays if it is open already; everything else is dropped.
func (m *Machine) goOnFrom(step int, digest, why string) {
	m.phase, m.committed, m.digest = holding, step, digest
	m.because("%s", why)
	m.note(Note{Kind: TookOver, Text: fmt.Sprintf("going on from the state after step %d", step)})
	if _, onRecord := m.known[step]; !onRecord {
		m.known[step] = digest
		if step != m.base.Step {
			m.do(Commit{Step: step, Digest: digest, Why: why})
		}
	}
	if m.began && (!m.round.opened || m.round.step != step+1) {
		m.dropRound()
	}
	m.began = true
	if !m.round.opened && !m.holdsNextStep() {
		m.openStep()
	}
	m.admit()
	if m.save == nil && m.base.Step < step && m.cfg.saveDue(step) {
		m.orderSave()
	}
}

// dropRound closes what was open last, because the run goes on elsewhere: so far up that nothing is kept for followers either,
// who would wait for steps that are open again later.
func (m *Machine) dropRound() {
	m.turn++
	m.do(CloseSteps{UpTo: m.round.step + 2 + proto.MaxBehind, Why: fmt.Sprintf("the run goes on from the state after step %d", m.committed)})
	m.round = round{}
}
