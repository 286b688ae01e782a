package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/exchange"
	"github.com/textground/textground/store"
)

// shared is a NATS server for several ingests.
func shared(t *testing.T) *exchange.Server {
	t.Helper()
	s, err := exchange.StartServer(exchange.ServerConfig{Listen: true, Token: "for-tests"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// busOf connects to the subjects of a plan, which must have a name.
func busOf(t *testing.T, s *exchange.Server, home store.Store, plan *Plan, name string) *exchange.Bus {
	t.Helper()
	run, err := BusRun(t.Context(), home, plan)
	if err != nil {
		t.Fatal(err)
	}
	bus, err := exchange.Dial(t.Context(), exchange.BusConfig{Run: run, Name: name, URL: s.URL(), Token: "for-tests"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	return bus
}

// leading is a leader without a crawler of its own.
type leading struct {
	desk *Desk
	bus  *exchange.Bus
	stop func()
	lost chan error
}

func lead(t *testing.T, s *exchange.Server, home store.Store, plan *Plan, since string) (*leading, error) {
	t.Helper()
	desk, err := NewDesk(t.Context(), home, plan, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	l := &leading{desk: desk, bus: busOf(t, s, home, plan, LeaderName), lost: make(chan error, 1)}
	l.stop, err = desk.Lead(t.Context(), l.bus, since, func(err error) { l.lost <- err })
	if err == nil {
		t.Cleanup(l.end)
	}
	return l, err
}

// end is what is left of a leader that dies: nothing.
func (l *leading) end() {
	l.bus.Close()
	l.stop()
}

func mustLead(t *testing.T, s *exchange.Server, home store.Store, plan *Plan, since string) *leading {
	t.Helper()
	l, err := lead(t, s, home, plan, since)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func remoteOf(t *testing.T, s *exchange.Server, home store.Store, plan *Plan, name string) *Remote {
	return NewRemote(busOf(t, s, home, plan, name), hclog.NewNullLogger())
}

func named(t *testing.T, fresh string) store.Store {
	t.Helper()
	home := store.NewMem()
	if err := NameBus(t.Context(), home, fresh); err != nil {
		t.Fatal(err)
	}
	return home
}

func TestAPlaceIsNamedOnceAndEachGenerationApart(t *testing.T) {
	home := store.NewMem()
	if _, err := BusRun(t.Context(), home, &Plan{}); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("without a leader: %v", err)
	}
	for _, fresh := range []string{"AAA", "BBB"} {
		if err := NameBus(t.Context(), home, fresh); err != nil {
			t.Fatal(err)
		}
	}
	for generation, want := range []string{"ingest-aaa-0", "ingest-aaa-1"} {
		if run, err := BusRun(t.Context(), home, &Plan{Generation: generation}); err != nil || run != want {
			t.Errorf("%s, %v", run, err)
		}
	}
}

func TestADamagedNameOfAPlaceSaysWhatToDelete(t *testing.T) {
	for text, why := range map[string]string{"{": "unexpected end", "{}": "it holds no name"} {
		home := store.NewMem()
		if err := home.PutNew(t.Context(), busKey, []byte(text)); err != nil {
			t.Fatal(err)
		}
		_, err := BusRun(t.Context(), home, &Plan{})
		if err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "delete it") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// One list, two places, one server: each leader hears its own helper alone, and both get the same shards.
func TestTwoIngestsOnOneServerDoNotHearEachOther(t *testing.T) {
	t.Parallel() // most of it is waiting
	w, s := newWeb(t), shared(t)
	rows := swift(w.rows(60))
	var homes []store.Store
	g, ctx := errgroup.WithContext(t.Context())
	for i := range 2 {
		home := named(t, fmt.Sprint(i))
		homes = append(homes, home)
		plan := begin(t, home, rows, quick(10))
		l := mustLead(t, s, home, plan, "1")
		helper := newCrawler(ctx, t, "ingester-1", home, plan) // of one name in both
		remote := remoteOf(t, s, home, plan, helper.Name)
		g.Go(func() error {
			err := helper.Run(ctx, remote)
			if _, n, over := l.desk.State(); n != 1 || !over || int(helper.Counts.Parts.Load()) != plan.Parts {
				return fmt.Errorf("%d ingesters, over %v, %d of %d parts by this one, %w", n, over, helper.Counts.Parts.Load(), plan.Parts, err)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if a, b := contents(t, homes[0]), contents(t, homes[1]); !maps.Equal(a, b) || len(a) < 5 {
		t.Errorf("%d objects and %d objects, not the same", len(a), len(b))
	}
}

func TestASecondLeaderIsRefusedUntilTheFirstIsGone(t *testing.T) {
	s, home := shared(t), named(t, "x")
	plan := begin(t, home, []Row{{URL: "http://a.example/1"}}, quick(1))
	first := mustLead(t, s, home, plan, "1")
	var other *OtherLeaderError
	if _, err := lead(t, s, home, plan, "2"); !errors.As(err, &other) || other.Since != "1" {
		t.Fatalf("a second leader: %v", err)
	}
	first.end()
	second := mustLead(t, s, home, plan, "3")
	if orders, err := remoteOf(t, s, home, plan, "a").Report(t.Context(), Report{Room: 1}); err != nil || orders.Leader != "3" || !slices.Equal(orders.Parts, []int{0}) {
		t.Errorf("%+v, %v", orders, err)
	}
	select {
	case err := <-second.lost:
		t.Errorf("a leader alone lost the lead: %v", err)
	default:
	}
}

// Both ask before either hears: the younger one learns of the older soon after, and the older stays.
func TestOfTwoLeadersThatBeginTogetherTheOlderStays(t *testing.T) {
	t.Parallel() // it waits for a beat
	s, home := shared(t), named(t, "x")
	plan := begin(t, home, []Row{{URL: "http://a.example/1"}}, quick(1))
	younger := mustLead(t, s, home, plan, "2")
	older := mustLead(t, s, home, plan, "1") // the younger one does not answer it, as if it were not there yet
	select {
	case err := <-younger.lost:
		var other *OtherLeaderError
		if !errors.As(err, &other) || other.Since != "1" {
			t.Error(err)
		}
	case err := <-older.lost:
		t.Errorf("the older one lost the lead: %v", err)
	case <-time.After(20 * time.Second):
		t.Error("both lead")
	}
}

// The leader dies, its helper goes on, the next leader leaves it what it works on, and it hears of both.
func TestAHelperStaysWithItsPartsThroughAChangeOfLeader(t *testing.T) {
	s, home := shared(t), named(t, "x")
	var rows []Row
	for i := range 6 {
		rows = append(rows, Row{URL: fmt.Sprintf("http://a.example/%d", i)})
	}
	plan := begin(t, home, rows, quick(1))
	var said bytes.Buffer
	remote := NewRemote(busOf(t, s, home, plan, "a"), hclog.New(&hclog.LoggerOptions{Output: &said}))
	report := func(works ...int) Orders {
		t.Helper()
		orders, err := remote.Report(t.Context(), Report{Room: 2, Works: works})
		if err != nil {
			t.Fatal(err)
		}
		return orders
	}
	first := mustLead(t, s, home, plan, "1")
	report()
	if o := report(); o.Leader != "1" || !slices.Equal(o.Parts, []int{0, 1}) {
		t.Fatalf("%+v", o)
	}
	first.end()
	for range 2 {
		if _, err := remote.Report(t.Context(), Report{Room: 2, Works: []int{4, 5}}); err == nil {
			t.Fatal("nobody is there, and it answers")
		}
	}
	mustLead(t, s, home, plan, "2")
	if o := report(4, 5); o.Leader != "2" || !slices.Equal(o.Parts, []int{4, 5}) {
		t.Errorf("%+v", o)
	}
	if away, next := strings.Count(said.String(), "does not answer"), strings.Count(said.String(), "has a new leader"); away != 1 || next != 1 {
		t.Errorf("said %q", said.String())
	}
}

// Leaders of one place that do not know of each other, each with a server of its own or none, cost work and nothing else.
func TestLeadersThatDoNotKnowOfEachOtherLeaveTheSameShards(t *testing.T) {
	t.Parallel() // most of it is waiting
	w := newWeb(t)
	rows := swift(w.rows(60))
	alone := store.NewMem()
	crawlWith(t, alone, begin(t, alone, rows, quick(10)), 1)
	both := store.NewMem()
	plan := begin(t, both, rows, quick(10))
	w.forget()
	g, ctx := errgroup.WithContext(t.Context())
	for range 2 {
		desk, err := NewDesk(t.Context(), both, plan, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		c := newCrawler(ctx, t, "a", both, plan)
		g.Go(func() error { return c.Run(ctx, desk) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, home := range []store.Store{alone, both} {
		if _, _, err := WriteIndex(t.Context(), home); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := contents(t, alone), contents(t, both); !maps.Equal(a, b) {
		t.Errorf("%v and %v", slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)))
	}
}

// Whatever is asked is answered or is an error.
func FuzzQuestions(f *testing.F) {
	f.Add("leader", []byte(`{"since":"2"}`))
	f.Add("a", []byte(`{"room":2,"works":[1],"sealed":[0]}`))
	f.Fuzz(func(t *testing.T, name string, question []byte) {
		desk := &Desk{leases: NewLeases(3, nil), now: func() time.Time { return epoch }}
		if name == LeaderName {
			_, _ = answerClaim("1", question)
			return
		}
		if answer, err := desk.answerReport(context.Background(), "1", name, question); (answer == nil) != (err != nil) {
			t.Errorf("%q, %v", answer, err)
		}
	})
}
