package sim

import (
	"fmt"
	"time"

	"github.com/textground/textground/coordinator/core"
	"github.com/textground/textground/proto"
)

// maxWorkers bounds how many names ever take part.
const maxWorkers = 6

// fault is something that goes wrong, or that people do.
type fault struct {
	name  string
	often int // relative
	do    func(w *world)
}

var faults = []fault{
	{"worker crashes", 4, (*world).crashWorker},
	{"worker paused", 3, (*world).pauseWorker},
	{"coordinator crashes", 2, (*world).crashCoordinator},
	{"coordinator paused", 2, (*world).pauseCoordinator},
	{"link cut", 4, (*world).cutLink},
	{"worker joins", 2, (*world).joinWorker},
	{"worker leaves", 1, (*world).askToLeave},
	{"all workers crash", 1, (*world).crashAllWorkers},
	{"run asked to stop", 1, (*world).askToStop},
}

// trouble injects a fault and plans the next, until the faults are over.
func (w *world) trouble() {
	if w.clock.now >= w.plan.Faults {
		w.heal()
		return
	}
	total := 0
	for _, f := range faults {
		total += f.often
	}
	pick := w.random.Intn(total)
	for _, f := range faults {
		if pick -= f.often; pick < 0 {
			w.trace("fault: %s", f.name)
			w.counts[f.name]++
			f.do(w)
			break
		}
	}
	w.clock.after(w.within(w.plan.Every/4, w.plan.Every*2), w.trouble)
}

// heal ends all faults: from now on the run must get on.
func (w *world) heal() {
	w.trace("faults are over")
	w.net.faulty = false
	w.healed, w.progress = true, w.clock.now
	for _, p := range w.workers {
		if p != nil {
			p.slow = min(p.slow, 3)
		}
	}
}

// supervise starts again what has died, as `train` does with its workers and an operator with a coordinator.
func (w *world) supervise() {
	for i, p := range w.workers {
		if p != nil && p.dead && !w.ending && w.healed {
			w.startProcess(w.names[i])
		}
	}
	if w.leader() == nil && !w.ending && w.healed {
		w.startCoordinator()
	}
	w.clock.after(time.Second, w.supervise)
}

// leader is the living coordinator with the highest epoch.
func (w *world) leader() *coordinator {
	var leader *coordinator
	for _, c := range w.coordinators {
		if !c.dead && (leader == nil || c.epoch > leader.epoch) {
			leader = c
		}
	}
	return leader
}

func (w *world) anyWorker() *process {
	var living []*process
	for _, p := range w.workers {
		if p != nil && !p.dead {
			living = append(living, p)
		}
	}
	if len(living) == 0 {
		return nil
	}
	return living[w.random.Intn(len(living))]
}

func (w *world) crashWorker() {
	if p := w.anyWorker(); p != nil {
		w.crash(p)
	}
}

// crash kills a process; another takes its name after a while.
func (w *world) crash(p *process) {
	w.trace("%s/%d crashes", p.name, p.instance)
	p.dead = true
	w.clock.after(w.within(100*time.Millisecond, 6*time.Second), func() {
		if w.process(p.name) == nil && !w.ending {
			w.startProcess(p.name)
		}
	})
}

func (w *world) crashAllWorkers() {
	for _, p := range w.workers {
		if p != nil && !p.dead {
			w.crash(p)
		}
	}
}

func (w *world) pauseWorker() {
	if p := w.anyWorker(); p != nil {
		p.paused = w.clock.now + w.within(100*time.Millisecond, 9*time.Second)
		w.trace("%s/%d is paused until %v", p.name, p.instance, p.paused)
	}
}

func (w *world) crashCoordinator() {
	c := w.leader()
	if c == nil {
		return
	}
	c.dead = true
	w.trace("coordinator e%d crashes", c.epoch)
	w.clock.after(w.within(200*time.Millisecond, 5*time.Second), w.replaceLeader)
}

func (w *world) replaceLeader() {
	if w.leader() == nil && !w.ending {
		w.startCoordinator()
	}
}

// pauseCoordinator freezes the leader; sometimes another takes over meanwhile, and there are two.
func (w *world) pauseCoordinator() {
	c := w.leader()
	if c == nil {
		return
	}
	c.paused = w.clock.now + w.within(100*time.Millisecond, 9*time.Second)
	w.trace("coordinator e%d is paused until %v", c.epoch, c.paused)
	if w.random.Chance(0.4) {
		w.counts["two coordinators"]++
		w.clock.after(w.within(100*time.Millisecond, 4*time.Second), func() {
			if !w.ending {
				w.startCoordinator()
			}
		})
	}
}

// cutLink cuts one direction, or both, between a worker and the coordinator or a peer.
func (w *world) cutLink() {
	p, q := w.anyWorker(), w.anyWorker()
	if p == nil {
		return
	}
	other := coordinatorEnd
	if q != p && w.random.Chance(0.3) {
		other = q.name
	}
	cut := []link{{p.name, other}, {other, p.name}}[w.random.Intn(2):]
	if w.random.Chance(0.3) {
		cut = cut[:1]
	}
	for _, l := range cut {
		w.net.cut[l] = true
	}
	w.trace("cut: %v", cut)
	w.clock.after(w.within(500*time.Millisecond, 8*time.Second), func() {
		for _, l := range cut {
			delete(w.net.cut, l)
		}
	})
}

func (w *world) joinWorker() {
	if len(w.names) < maxWorkers {
		w.addWorker()
	}
}

func (w *world) addWorker() {
	w.names = append(w.names, fmt.Sprintf("w%d", len(w.names)))
	w.workers = append(w.workers, nil)
	w.startProcess(w.names[len(w.names)-1])
}

func (w *world) askToLeave() {
	if p := w.anyWorker(); p != nil && !p.leaving {
		p.deliver(func() {
			p.leaving = true
			p.change(func(r *proto.Report) { r.Leaving = true })
		})
	}
}

const askedReason = "SIGTERM"

func (w *world) askToStop() {
	if c := w.leader(); c != nil {
		c.deliver(func() { c.handle(core.StopAsked{Reason: askedReason}) })
	}
}

// resume starts a run again that has ended early, on another number of workers.
func (w *world) resume() {
	w.counts["resumed"]++
	w.ending = true
	for _, c := range w.coordinators {
		c.dead = true
	}
	for _, p := range w.workers {
		p.dead = true
	}
	w.clock.after(w.within(100*time.Millisecond, 3*time.Second), func() {
		w.ending = false
		w.trace("resume")
		for _, name := range w.names[:1+w.random.Intn(len(w.names))] {
			w.startProcess(name)
		}
		w.startCoordinator()
	})
}
