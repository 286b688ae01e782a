package core

import (
	"fmt"
	"strings"
	"time"

	"github.com/textground/textground/proto"
)

// phase is what the machine is busy with. The mode of the orders follows from it.
type phase uint8

const (
	collecting phase = iota // asking who holds which state
	loading                 // everybody loads the base
	holding                 // members hold the state after the last committed step
	over                    // finished or stopped: the last orders are repeated
	fenced                  // another coordinator leads: silence
)

// Machine is the coordinator's mind. [New] makes one, [Machine.Handle] drives it.
type Machine struct {
	cfg   Config
	clock clock
	phase phase

	committed int    // the last committed step
	digest    string // of the parameters after it
	known     map[int]string
	base      proto.Base
	turn      int
	began     bool // a step has been opened, or could have been

	class   string
	workers map[string]*worker
	members []string          // sorted; replaced, never changed in place
	peers   map[string]string // follower → member; replaced, never changed in place
	deaths  map[int]*toll     // by step
	cause   string            // the first error that a worker died of

	until time.Duration // collecting: when to settle; loading: when to stop waiting for MinWorkers
	round round
	home  home // who holds which lane from step to step
	pace  pace // how long lanes take
	save  *save
	saves int // ordered by this coordinator, for the nonces
	stop  *stop
	held  time.Duration // since when the next step is held; negative while it is not
	retry failedSave    // the latest attempt to seal the end of the run

	sent     proto.Orders
	sentAt   time.Duration
	finish   *Finish    // still to be given out
	mode     proto.Mode // once over
	reason   string     // once over
	departed []departure
	actions  []Action
	why      []string
}

// New returns a machine that begins by loading the base, or, where coordinators came before, by looking for living state.
func New(cfg Config) (*Machine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("coordinator: %w", err)
	}
	m := &Machine{cfg: cfg, committed: cfg.Base.Step, base: cfg.Base, class: cfg.Class,
		known: map[int]string{}, workers: map[string]*worker{}, deaths: map[int]*toll{}, held: -1}
	for step, digest := range cfg.Known {
		m.known[step] = digest
	}
	if cfg.Epoch > 1 {
		m.until = cfg.CollectFor
		m.because("coordinators came before this one: who holds which state?")
	} else {
		m.loadBase("this is the run's first coordinator, so nobody holds state")
	}
	return m, nil
}

// Handle takes in one event and returns what must be done, in order.
func (m *Machine) Handle(e Event) []Action {
	if m.phase == fenced {
		return nil
	}
	switch e := e.(type) {
	case Tick:
		m.onTick(e)
	case Reported:
		m.onReported(e)
	case Progress:
		m.onProgress(e)
	case Conflict:
		m.onConflict(e)
	case Sealed:
		m.onSealed(e)
	case StopAsked:
		m.onStopAsked(e)
	default:
		panic(fmt.Sprintf("core: unknown event %T", e))
	}
	m.decide()
	actions := m.actions
	m.actions = nil
	return actions
}

// decide draws the conclusions from all facts known.
func (m *Machine) decide() {
	if m.phase == holding {
		m.dropMembers()
	}
	switch m.phase {
	case collecting:
		m.settleWhenDue()
	case loading:
		m.startWhenLoaded()
	}
	for _, next := range []func(){m.compareDigests, m.commitWhenApplied, m.admit, m.choosePeers, m.leaseLanes, m.raceLateLanes, m.endSlowSave, m.holdAtEnd} {
		if m.phase == holding {
			next()
		}
	}
	m.nameDepartures()
	m.publish()
}

func (m *Machine) do(a Action) { m.actions = append(m.actions, a) }

// because adds a reason to the next orders.
func (m *Machine) because(format string, args ...any) {
	m.why = append(m.why, fmt.Sprintf(format, args...))
}

func (m *Machine) note(n Note) {
	n.Step = m.committed + 1
	m.do(n)
}

// publish sends the orders if they have changed or if it is time to repeat them.
func (m *Machine) publish() {
	if m.phase == fenced {
		return
	}
	again := m.sent.Sequence > 0 && m.clock.now-m.sentAt >= m.cfg.ResendEvery
	if again {
		m.listTexts()
	}
	orders := m.orders()
	changed := m.sent.Sequence == 0 || !sameOrders(orders, m.sent)
	if changed || again {
		if changed {
			orders.Sequence++
		}
		m.sent, m.sentAt = orders, m.clock.now
		m.do(Publish{Orders: orders, Why: m.reasons(changed)})
	}
	if m.finish != nil {
		m.do(*m.finish)
		m.finish = nil
	}
}

func (m *Machine) reasons(changed bool) string {
	why := strings.Join(m.why, "; ")
	m.why = nil
	switch {
	case why != "":
		return why
	case changed:
		return "lists have changed"
	}
	return "sent again, in case they were lost"
}

// clock is the machine's own time. A coordinator that was paused itself must not take its workers for silent, so a gap
// between two ticks counts for no more than limit.
type clock struct {
	now     time.Duration
	last    time.Duration
	started bool
}

func (c *clock) advance(to, limit time.Duration) {
	if c.started {
		c.now += min(max(to-c.last, 0), limit)
	}
	c.last, c.started = to, true
}

func (m *Machine) onTick(e Tick) {
	m.clock.advance(e.Now, m.cfg.Silence/2)
	m.noticeSilence()
}
