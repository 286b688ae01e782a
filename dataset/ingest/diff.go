package ingest

import (
	"context"
	"fmt"

	"github.com/textground/textground/store"
)

// Difference is what changed from one crawl to another, by URL. A URL that a list has several times is compared in order.
type Difference struct {
	Same     int            `json:"same"`      // same class, and same bytes where there are any
	Changed  int            `json:"changed"`   // answered in both, with other bytes
	Gained   int            `json:"gained"`    // answered in the second alone
	Lost     int            `json:"lost"`      // answered in the first alone
	Failing  int            `json:"failing"`   // failed in both, for different reasons
	OnlyA    int            `json:"only_a"`    // in the first list alone
	OnlyB    int            `json:"only_b"`    // in the second list alone
	Moves    map[string]int `json:"moves"`     // "timeout → answered": how many
	Examples []Change       `json:"examples"`  // the first of what is not the same
	AnswersA int            `json:"answers_a"` // URLs answered in the first
	AnswersB int            `json:"answers_b"` // URLs answered in the second
}

// Change is one URL that is not the same in both.
type Change struct {
	URL  string `json:"url"`
	What string `json:"what"`
}

// Equal reports whether both crawls came to the same.
func (d *Difference) Equal() bool {
	return d.Changed+d.Gained+d.Lost+d.Failing+d.OnlyA+d.OnlyB == 0
}

// Diff compares two crawls, at most examples of whose differences are named.
func Diff(ctx context.Context, a, b store.Store, examples int) (*Difference, error) {
	before, err := readCrawl(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("reading the crawl in %s: %w", a, err)
	}
	after, err := readCrawl(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("reading the crawl in %s: %w", b, err)
	}
	d := &Difference{Moves: map[string]int{}, Examples: []Change{}}
	lastA, lastB := before.last(), after.last()
	waiting := map[string][]Entry{} // of the second crawl, by URL, in list order
	for _, row := range sortedKeys(lastB) {
		e := lastB[row]
		waiting[e.URL] = append(waiting[e.URL], e)
		if e.Class == Answered {
			d.AnswersB++
		}
	}
	note := func(url, what string) {
		if len(d.Examples) < examples {
			d.Examples = append(d.Examples, Change{url, what})
		}
	}
	for _, row := range sortedKeys(lastA) {
		e := lastA[row]
		if e.Class == Answered {
			d.AnswersA++
		}
		others := waiting[e.URL]
		if len(others) == 0 {
			d.OnlyA++
			note(e.URL, "only in the first list")
			continue
		}
		waiting[e.URL] = others[1:]
		d.compare(e, others[0], note)
	}
	for _, row := range sortedKeys(lastB) {
		if e := lastB[row]; len(waiting[e.URL]) > 0 {
			waiting[e.URL] = waiting[e.URL][1:]
			d.OnlyB++
			note(e.URL, "only in the second list")
		}
	}
	return d, nil
}

func (d *Difference) compare(a, b Entry, note func(url, what string)) {
	move := fmt.Sprintf("%s → %s", a.Class, b.Class)
	switch {
	case a.Class == b.Class && (a.Class != Answered || a.SHA256 == b.SHA256):
		d.Same++
		return
	case a.Class == b.Class:
		d.Changed++
		move = "answered → answered with other bytes"
	case b.Class == Answered:
		d.Gained++
	case a.Class == Answered:
		d.Lost++
	default:
		d.Failing++
	}
	d.Moves[move]++
	note(a.URL, move)
}
