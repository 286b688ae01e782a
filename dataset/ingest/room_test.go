package ingest

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/store"
)

func TestRoomGrowsByPartsThatAreAlmostDone(t *testing.T) {
	part := func(rows, done int, bytes int64) *activePart {
		a := &activePart{}
		a.rows.Store(int64(rows))
		a.done.Store(int64(done))
		a.bytes.Store(bytes)
		return a
	}
	many := map[int]*activePart{}
	for i := range 40 {
		many[i] = part(10, 10, 1)
	}
	for what, c := range map[string]struct {
		active map[int]*activePart
		want   int
	}{
		"nothing":            {nil, partsAtOnce},
		"unread":             {map[int]*activePart{0: part(0, 0, 0)}, partsAtOnce},
		"at work":            {map[int]*activePart{0: part(1000, 899, 1), 1: part(10, 8, 1)}, partsAtOnce},
		"one is late":        {map[int]*activePart{0: part(1000, 900, 1), 1: part(10, 8, 1)}, partsAtOnce + 1},
		"late and too large": {map[int]*activePart{0: part(1000, 900, 60), 1: part(1000, 999, 41)}, partsAtOnce},
		"many":               {many, mostParts},
	} {
		if got := room(c.active, 100); got != c.want {
			t.Errorf("%s: room for %d, want %d", what, got, c.want)
		}
	}
}

// One URL of each part hangs: the others are all asked for meanwhile, by one ingester.
func TestASlowURLHoldsUpItsPartAlone(t *testing.T) {
	const parts, perPart = 6, 10
	w, home := newWeb(t), store.NewMem()
	gate, settled := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	quickOnes := 0
	inner := w.Config.Handler
	w.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		var n int
		_, err := fmt.Sscanf(r.URL.Path, "/png/%d", &n)
		if err == nil && n%perPart == 3 {
			<-gate
		}
		inner.ServeHTTP(out, r)
		mu.Lock()
		defer mu.Unlock()
		if err == nil && n%perPart != 3 {
			if quickOnes++; quickOnes == parts*(perPart-1) {
				close(settled)
			}
		}
	})
	open := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(open) // before the server closes, which waits for its requests
	var rows []Row
	for i := range parts * perPart {
		rows = append(rows, Row{Number: i, URL: fmt.Sprintf("%s/png/%d", w.URL, i)})
	}
	s := quick(perPart)
	s.Timeout = time.Minute
	plan := begin(t, home, rows, s)
	desk, err := NewDesk(t.Context(), home, plan, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c := newCrawler(t.Context(), t, "a", home, plan)
	var g errgroup.Group
	g.Go(func() error { return c.Run(t.Context(), desk) })
	select {
	case <-settled:
	case <-time.After(30 * time.Second):
		mu.Lock()
		t.Errorf("only %d URLs were asked for beside those that hang", quickOnes)
		mu.Unlock()
	}
	open()
	if err := g.Wait(); err != nil || c.Counts.Of(Answered) != parts*perPart {
		t.Errorf("%d answered, %v", c.Counts.Of(Answered), err)
	}
}
