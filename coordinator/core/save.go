package core

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/textground/textground/proto"
)

// save is the checkpoint under way; there is at most one.
type save struct {
	order   proto.Save
	since   time.Duration // machine time when it was ordered
	records map[int]string
	sealing bool // all volumes are written; the shell writes the manifest
}

// orderSave orders a checkpoint of the committed state, with the volumes spread over the members that hold it, in name
// order. If another save is under way this one is skipped, unless the run ends with it.
func (m *Machine) orderSave() {
	if m.save != nil && !m.holdsNextStep() {
		text := fmt.Sprintf("the save after step %d is skipped: the one after step %d is still under way", m.committed, m.save.order.Step)
		m.note(Note{Kind: Skipped, Text: text})
		return
	}
	if m.save != nil && m.save.sealing {
		return // holdAtEnd orders the last one when this one is through
	}
	if m.save != nil {
		m.abandonSave("the run ends with a newer one")
	}
	writers := m.writers()
	if len(writers) == 0 {
		return
	}
	m.saves++
	order := proto.Save{Step: m.committed, Nonce: fmt.Sprintf("e%d-%d", m.cfg.Epoch, m.saves), Writers: map[int]string{}}
	for v := range m.cfg.Volumes {
		order.Writers[v] = writers[v%len(writers)]
	}
	m.save = &save{order: order, since: m.clock.now, records: map[int]string{}}
	m.because("save %s of the state after step %d", order.Nonce, order.Step)
}

// writers lists the members that hold the committed state and nothing newer.
func (m *Machine) writers() []string {
	var names []string
	for _, name := range m.members {
		if m.workers[name].report.Applied == m.committed {
			names = append(names, name)
		}
	}
	return names
}

// takeRecords takes in the volumes that a worker has written, or that it could not write them. With the last one the save
// is sealed.
func (m *Machine) takeRecords(r proto.Report) {
	if m.phase != holding || m.save == nil || m.save.sealing || r.Nonce != m.save.order.Nonce {
		return
	}
	for v, writer := range m.save.order.Writers {
		if record, written := r.Volumes[v]; written && writer == r.Worker {
			m.save.records[v] = record
		}
	}
	switch s := m.save; {
	case len(s.records) == m.cfg.Volumes:
		s.sealing = true
		m.do(Seal{Step: s.order.Step, Nonce: s.order.Nonce, Records: maps.Clone(s.records), Why: "all volumes are written"})
	case r.SaveFailed != "":
		m.failSave(fmt.Sprintf("%s could not write its volumes: %s", r.Worker, r.SaveFailed))
	}
}

// failedSave is a save at the end of the run that the store refused.
type failedSave struct {
	step int
	why  string // empty: none has failed
	at   time.Duration
}

// retryEvery is how long the end of the run waits before it tries a store again that has refused its save.
const retryEvery = 5 * time.Second

// failSave gives up the save because of the store. On the way the next save that is due is another attempt. At the end there
// are attempts until SealWithin is over: somebody who reads the reason may free some space meanwhile.
func (m *Machine) failSave(why string) {
	m.retry = failedSave{m.save.order.Step, why, m.clock.now}
	m.abandonSave(why)
}

// refusedAtEnd returns why the store refused the state that ends the run, if it did.
func (m *Machine) refusedAtEnd() (why string, refused bool) {
	return m.retry.why, m.retry.why != "" && m.retry.step == m.committed
}

// endSlowSave gives up a save that takes too long, so that the next one has its turn.
func (m *Machine) endSlowSave() {
	if s := m.save; s != nil && !s.sealing && m.clock.now-s.since >= m.cfg.SaveWithin {
		m.abandonSave(fmt.Sprintf("not written within %v", m.cfg.SaveWithin))
	}
}

// loseWriters gives up the save if it still needs a volume of somebody who is gone. A process that takes the name over does
// not have the state that was to be written.
func (m *Machine) loseWriters(gone []string) {
	s := m.save
	if s == nil || s.sealing {
		return
	}
	for v := range m.cfg.Volumes {
		if _, written := s.records[v]; !written && slices.Contains(gone, s.order.Writers[v]) {
			m.abandonSave(fmt.Sprintf("%s, the writer of volume %d, is gone", s.order.Writers[v], v))
			return
		}
	}
}

// onSealed makes a sealed checkpoint the base.
func (m *Machine) onSealed(e Sealed) {
	current := m.save != nil && m.save.order.Nonce == e.Nonce
	if e.Fenced {
		m.fence(e.Err.Error())
		return
	}
	if e.Err != nil {
		if current {
			m.failSave(fmt.Sprintf("its manifest could not be written: %v", e.Err))
		}
		return
	}
	if current {
		m.save = nil
	}
	if e.Step > m.base.Step {
		m.base = proto.Base{Step: e.Step, Manifest: e.Manifest}
	}
	m.because("the save after step %d is sealed", e.Step)
	m.note(Note{Kind: Saved, Text: fmt.Sprintf("the state after step %d is sealed: %s", e.Step, e.Manifest)})
}

func (m *Machine) abandonSave(why string) {
	s := m.save
	m.save = nil
	m.because("save %s abandoned", s.order.Nonce)
	m.do(Abandon{Step: s.order.Step, Nonce: s.order.Nonce, Sealing: s.sealing, Why: why})
	m.note(Note{Kind: Abandoned, Text: fmt.Sprintf("the save after step %d is abandoned: %s", s.order.Step, why)})
}
