package core

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/textground/textground/proto"
)

// worker is what is known of one worker name.
type worker struct {
	report  proto.Report
	heard   time.Duration
	silent  bool   // unheard for too long
	ended   bool   // this process reported the error that ended it
	refused string // why this process may not take part
	renewed bool   // a new process; if its name is a member's, that was its predecessor
}

// fit reports whether the worker may take part.
func (w *worker) fit() bool {
	return !w.silent && !w.ended && w.refused == "" && !w.report.Leaving
}

func (m *Machine) names() []string { return slices.Sorted(maps.Keys(m.workers)) }

func (m *Machine) isMember(name string) bool {
	_, found := slices.BinarySearch(m.members, name)
	return found
}

func (m *Machine) onReported(e Reported) {
	r := e.Report
	if r.Epoch > m.cfg.Epoch {
		m.fence(fmt.Sprintf("%s follows the coordinator of epoch %d", r.Worker, r.Epoch))
		return
	}
	w := m.workers[r.Worker]
	switch {
	case w == nil:
		w = &worker{}
		m.workers[r.Worker] = w
	case r.Instance < w.report.Instance && !w.silent:
		return // late word of a predecessor
	case w.report.Instance != r.Instance:
		m.replace(w)
	case w.ended || r.Sequence < w.report.Sequence:
		return
	}
	w.report, w.heard = r, m.clock.now
	m.heardAgain(w)
	m.checkClass(w)
	m.noticeEnd(w)
	m.takeRecords(r)
}

// fence ends a coordinator that others have replaced: determinism makes its late messages harmless, silence keeps them few.
func (m *Machine) fence(why string) {
	already := m.phase == over
	m.phase = fenced
	if !already {
		m.do(Finish{Outcome: Fenced, Sealed: m.base.Step, Reason: fmt.Sprintf("%s; this coordinator has epoch %d and ends", why, m.cfg.Epoch)})
	}
}

// replace buries the process that a new one of the same name has replaced.
func (m *Machine) replace(w *worker) {
	if !w.silent && !w.ended && !w.report.Leaving {
		m.depart(w, Died, "a new process has taken its name")
	}
	w.silent, w.ended, w.refused, w.renewed = false, false, "", true
}

// noticeSilence marks the workers that have not been heard for too long.
func (m *Machine) noticeSilence() {
	for _, name := range m.names() {
		w := m.workers[name]
		if !w.silent && m.clock.now-w.heard > m.cfg.Silence {
			w.silent = true
			if !w.ended && !w.report.Leaving {
				m.depart(w, Died, fmt.Sprintf("silent for more than %v", m.cfg.Silence))
			}
		}
	}
}

// heardAgain takes a silence back: the process had not died.
func (m *Machine) heardAgain(w *worker) {
	if !w.silent {
		return
	}
	w.silent = false
	for _, t := range m.deaths {
		t.takeBack(w.report.Worker + "/" + w.report.Instance)
	}
	m.note(Note{Kind: Returned, Worker: w.report.Worker, Text: w.report.Worker + " is heard again"})
}

// checkClass refuses workers whose bits would differ.
func (m *Machine) checkClass(w *worker) {
	if m.cfg.Mixed || w.refused != "" {
		return
	}
	if m.class == "" {
		m.class = w.report.Class
		m.do(TakeClass{Class: m.class, Why: w.report.Worker + " is the run's first worker"})
	}
	if w.report.Class != m.class {
		m.refuse(w, fmt.Sprintf("its device class is %q, the run's is %q: equal bits need equal classes; use such a worker, or start the run with mixed classes", w.report.Class, m.class))
	}
}

func (m *Machine) refuse(w *worker, why string) {
	w.refused = why
	m.because("%s is refused", w.report.Worker)
	m.note(Note{Kind: Refused, Worker: w.report.Worker, Text: w.report.Worker + " is refused: " + why})
}

// noticeEnd takes the worker's own word that it ends.
func (m *Machine) noticeEnd(w *worker) {
	switch {
	case w.report.Failed != "" && !w.ended:
		w.ended = true
		if m.cause == "" {
			m.cause = w.report.Worker + ": " + w.report.Failed
		}
		m.depart(w, Broke, w.report.Failed)
	case w.report.Leaving && m.isMember(w.report.Worker) && m.phase != over:
		m.depart(w, Left, "asked to go")
	}
}

// dropMembers removes from the members whoever is unfit or no longer holds the state.
func (m *Machine) dropMembers() {
	stay := slices.DeleteFunc(slices.Clone(m.members), func(name string) bool { return !m.holdsState(m.workers[name]) })
	if len(stay) == len(m.members) {
		return
	}
	gone := slices.DeleteFunc(slices.Clone(m.members), func(name string) bool { return slices.Contains(stay, name) })
	for _, name := range gone {
		m.workers[name].renewed = false
	}
	m.members = stay
	m.because("%s no member any more", areList(gone))
	m.loseWriters(gone)
	if len(stay) == 0 {
		m.loseState(gone)
	}
}

// holdsState reports whether a member still is one: it holds the committed state or has applied the open step to it.
func (m *Machine) holdsState(w *worker) bool {
	return w.fit() && !w.renewed && (w.report.Applied == m.committed && m.matches(w) || w.report.Applied == m.committed+1)
}

// matches reports whether a worker's digest is the committed one. Mixed classes have digests of their own.
func (m *Machine) matches(w *worker) bool { return m.cfg.Mixed || w.report.Digest == m.digest }

// admit makes members of those who hold the committed state. Somebody who is ahead waits until the run is where he is:
// then his digest must be the one on record.
func (m *Machine) admit() {
	for _, name := range m.names() {
		w := m.workers[name]
		if m.isMember(name) || !w.fit() || w.report.Applied != m.committed {
			continue
		}
		if !m.matches(w) {
			m.note(Note{Kind: Alarm, Worker: name, Text: fmt.Sprintf("%s has digest %s after step %d, the members have %s", name, w.report.Digest, m.committed, m.digest)})
			m.refuse(w, fmt.Sprintf("its digest after step %d is %s, the members' is %s: start it again; if it happens twice, suspect its memory or device", m.committed, w.report.Digest, m.digest))
			continue
		}
		m.join(name)
	}
}

func (m *Machine) join(name string) {
	at, _ := slices.BinarySearch(m.members, name)
	m.members = slices.Insert(slices.Clone(m.members), at, name)
	m.workers[name].renewed = false
	m.because("%s joins", name)
	m.note(Note{Kind: Joined, Worker: name, Text: fmt.Sprintf("%s joins with the state after step %d", name, m.committed)})
}

// followers lists those who may take part once they have the state.
func (m *Machine) followers() []string {
	return slices.DeleteFunc(m.names(), func(name string) bool {
		w := m.workers[name]
		return m.isMember(name) || !w.fit() || w.report.Applied >= m.committed
	})
}

// choosePeers gives every follower a member to copy state from, spread evenly and kept as long as the member stays.
func (m *Machine) choosePeers() {
	peers, load := map[string]string{}, map[string]int{}
	var fresh []string
	for _, name := range m.followers() {
		if old := m.peers[name]; m.isMember(old) {
			peers[name] = old
			load[old]++
		} else {
			fresh = append(fresh, name)
		}
	}
	for _, name := range fresh {
		peer := leastLoaded(m.members, load)
		peers[name] = peer
		load[peer]++
		m.because("%s copies the state of %s", name, peer)
	}
	m.peers = peers
}

// leastLoaded returns the first of those with the least load.
func leastLoaded(members []string, load map[string]int) string {
	best := members[0]
	for _, name := range members[1:] {
		if load[name] < load[best] {
			best = name
		}
	}
	return best
}

func (m *Machine) refused() map[string]string {
	refused := map[string]string{}
	for name, w := range m.workers {
		if w.refused != "" && !w.silent {
			refused[name] = w.refused
		}
	}
	return refused
}
