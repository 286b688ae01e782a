package ingest

import (
	"slices"
	"time"
)

// LeaseTime is how long an ingester may be silent before its parts go to others, and BeatTime how often it speaks.
const (
	LeaseTime = 3 * time.Second
	BeatTime  = time.Second
)

// Report is everything that a leader must know of one ingester. A newer one replaces an older one, so that losing or
// repeating one costs time and nothing else.
type Report struct {
	Name   string `json:"name"`
	Room   int    `json:"room"`   // parts that it works on at once
	Works  []int  `json:"works"`  // parts that it works on now: a leader that has just begun leaves them with it
	Sealed []int  `json:"sealed"` // parts that it found sealed, or sealed, since a report was last answered
}

// Orders is everything that a leader wants of one ingester.
type Orders struct {
	Leader string `json:"leader"` // who gives them, where that is another process
	Parts  []int  `json:"parts"`  // to work on, and no others
	Sealed int    `json:"sealed"` // parts of the whole that are done
	Done   bool   `json:"done"`   // nothing is left for anybody
}

// Leases deals parts out. It knows no clock: time comes in with every report.
type Leases struct {
	sealed []bool
	left   int
	holder []string // of each part; empty where nobody works on it
	heard  map[string]time.Time
	told   map[string]bool // ingesters that know that all is done
}

// NewLeases returns a machine for parts of which some are sealed already.
func NewLeases(parts int, sealed []int) *Leases {
	l := &Leases{sealed: make([]bool, parts), left: parts, holder: make([]string, parts), heard: map[string]time.Time{}, told: map[string]bool{}}
	l.seal(sealed)
	return l
}

func (l *Leases) seal(parts []int) {
	for _, p := range parts {
		if p >= 0 && p < len(l.sealed) && !l.sealed[p] {
			l.sealed[p], l.holder[p] = true, ""
			l.left--
		}
	}
}

// Handle takes a report and answers it.
func (l *Leases) Handle(now time.Time, r Report) Orders {
	l.heard[r.Name] = now
	l.seal(r.Sealed)
	l.expire(now)
	held := l.heldBy(r.Name)
	take := func(p int) {
		if len(held) < r.Room && p >= 0 && p < len(l.sealed) && !l.sealed[p] && l.holder[p] == "" {
			l.holder[p] = r.Name
			held = append(held, p)
		}
	}
	for _, p := range r.Works {
		take(p)
	}
	for p := range l.sealed {
		take(p)
	}
	slices.Sort(held)
	if l.left == 0 {
		l.told[r.Name] = true
	}
	return Orders{Parts: held, Sealed: l.Sealed(), Done: l.left == 0}
}

func (l *Leases) heldBy(name string) (parts []int) {
	for p, holder := range l.holder {
		if holder == name {
			parts = append(parts, p)
		}
	}
	return parts
}

// expire takes parts from those who were silent for too long.
func (l *Leases) expire(now time.Time) {
	for name, heard := range l.heard {
		if now.Sub(heard) <= LeaseTime {
			continue
		}
		delete(l.heard, name)
		delete(l.told, name)
		for _, p := range l.heldBy(name) {
			l.holder[p] = ""
		}
	}
}

// Sealed returns how many parts are done.
func (l *Leases) Sealed() int { return len(l.sealed) - l.left }

// Done reports whether all parts are sealed.
func (l *Leases) Done() bool { return l.left == 0 }

// Over reports whether all is done and every living ingester knows it.
func (l *Leases) Over(now time.Time) bool {
	l.expire(now)
	return l.left == 0 && len(l.told) == len(l.heard)
}

// Ingesters returns how many were heard of lately.
func (l *Leases) Ingesters(now time.Time) int {
	l.expire(now)
	return len(l.heard)
}
