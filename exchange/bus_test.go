package exchange

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/textground/textground/exchange/exchangetest"
	"github.com/textground/textground/proto"
	"golang.org/x/sync/errgroup"
)

func orders() proto.Orders {
	return proto.Orders{Epoch: 3, Sequence: 9, Mode: proto.Running, Step: 4, Committed: 3, Members: []string{"one", "two"},
		Leases: []proto.Lease{{Lane: 0, Worker: "one"}, {Lane: 1, Worker: "two"}}}
}

func next[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s came", what)
		panic("unreachable")
	}
}

func TestOrdersAndReportsArriveAsTheyWere(t *testing.T) {
	s := startServer(t, 0)
	coordinator := dial(t, BusConfig{Name: "coordinator", InProcess: s})
	worker := dial(t, BusConfig{Name: "one", URL: s.URL(), Token: "s3cret"})
	heard, reported := make(chan proto.Orders, 1), make(chan proto.Report, 1)
	if _, err := worker.OnOrders(func(o proto.Orders) { heard <- o }); err != nil {
		t.Fatal(err)
	}
	if _, err := coordinator.OnReport("", func(r proto.Report) { reported <- r }); err != nil {
		t.Fatal(err)
	}
	flush(t, worker, coordinator)
	want := orders()
	if err := coordinator.PublishOrders(want); err != nil {
		t.Fatal(err)
	}
	if got := next(t, heard, "orders"); got.Sequence != want.Sequence || !slices.Equal(got.Leases, want.Leases) {
		t.Errorf("orders %+v, want %+v", got, want)
	}
	if err := worker.PublishReport(proto.Report{Worker: "one", Done: []int{3, 4}}); err != nil {
		t.Fatal(err)
	}
	if got := next(t, reported, "report"); got.Worker != "one" || !slices.Equal(got.Done, []int{3, 4}) {
		t.Errorf("report %+v", got)
	}
}

func flush(t *testing.T, buses ...*Bus) {
	t.Helper()
	for _, b := range buses {
		if err := b.Flush(timeout(t)); err != nil {
			t.Fatal(err)
		}
	}
}

// What is no report, or bears another name than its subject, is dropped and counted; what follows it is heard.
func TestBadControlMessagesAreDroppedAndCounted(t *testing.T) {
	s := startServer(t, 0)
	coordinator := dial(t, BusConfig{Name: "coordinator", InProcess: s})
	worker := dial(t, BusConfig{Name: "one", URL: s.URL(), Token: "s3cret"})
	reported := make(chan proto.Report, 100)
	if _, err := coordinator.OnReport("*", func(r proto.Report) { reported <- r }); err != nil {
		t.Fatal(err)
	}
	flush(t, coordinator)
	bad := []string{"", "{", "[]", `{"worker":"one"}{"worker":"one"}`, `{"worker":"one","colour":3}`, `{"worker":"two"}`,
		`{"worker":"one","done":"all"}`, `{"worker":"one","applied":1e99}`, strings.Repeat(" ", proto.MaxMessage+1) + `{}`,
		strings.Repeat(`{"worker":`, 100_000)}
	for _, text := range bad {
		if err := worker.publish(proto.ReportSubject(testRun, "one"), "", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := worker.PublishReport(proto.Report{Worker: "one", Doing: "last"}); err != nil {
		t.Fatal(err)
	}
	if got := next(t, reported, "report"); got.Doing != "last" {
		t.Errorf("a bad message came through: %+v", got)
	}
	if n := coordinator.Counts().Bad; n != uint64(len(bad)) {
		t.Errorf("%d bad messages counted, sent %d", n, len(bad))
	}
}

func TestTheSpecIsFetched(t *testing.T) {
	s := startServer(t, 0)
	coordinator := dial(t, BusConfig{Name: "coordinator", InProcess: s})
	worker := dial(t, BusConfig{Name: "one", URL: s.URL(), Token: "s3cret"})
	cancel, err := coordinator.ServeSpec([]byte("the run"))
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	if got, err := worker.FetchSpec(timeout(t)); err != nil || string(got) != "the run" {
		t.Errorf("fetched %q, %v", got, err)
	}
}

// Each failure to get onto the bus says where, why and what to do, in one line and without secrets.
func TestDialAndListenFailuresNameTheirMend(t *testing.T) {
	s := startServer(t, 0)
	taken := s.Port()
	cases := []struct {
		name string
		do   func() error
		want []string
	}{
		{"wrong token", func() error {
			_, err := Dial(timeout(t), BusConfig{Run: testRun, Name: "one", URL: s.URL(), Token: "wr0ng"})
			return err
		}, []string{s.URL(), "refuses one", "token"}},
		{"nobody there", func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err := Dial(ctx, BusConfig{Run: testRun, Name: "one", URL: "nats://u:hidden@127.0.0.1:1,nats://127.0.0.1:2"})
			return err
		}, []string{"unreachable", "nats://127.0.0.1:1, nats://127.0.0.1:2", "start the server"}},
		{"bad name", func() error {
			_, err := Dial(timeout(t), BusConfig{Run: testRun, Name: "a.b", URL: s.URL()})
			return err
		}, []string{`"a.b"`}},
		{"no seed", func() error {
			_, err := Dial(timeout(t), BusConfig{Run: testRun, Name: "one", URL: s.URL(), SeedFile: "/nonexistent/seed"})
			return err
		}, []string{"/nonexistent/seed"}},
		{"port taken", func() error {
			_, err := StartServer(ServerConfig{Listen: true, Port: taken, Token: "x"})
			return err
		}, []string{fmt.Sprint(taken), "address already in use", "choose another"}},
		{"no token", func() error {
			_, err := StartServer(ServerConfig{Listen: true})
			return err
		}, []string{"token"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := c.do()
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if text := err.Error(); strings.Contains(text, "\n") || strings.Contains(text, "hidden") || strings.Contains(text, "wr0ng") {
				t.Errorf("%q has a secret or more than one line", text)
			}
		})
	}
}

// A server that does not listen serves its own process.
func TestAServerWithoutListener(t *testing.T) {
	s, err := StartServer(ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.URL() != "" || s.Port() != 0 {
		t.Errorf("it listens at %s", s.URL())
	}
	dial(t, BusConfig{Name: "coordinator", InProcess: s}).Close()
}

const shipped = "../deploy/nats/server.conf"

func login(t *testing.T, url, user string, onError func(error)) *Bus {
	return dial(t, BusConfig{Name: user, URL: url, User: user, Password: exchangetest.Password(user), OnError: onError})
}

// The shipped configuration lets a whole step through, with state transfer, and nothing that a role must not say or hear.
func TestTheShippedPermissions(t *testing.T) {
	const lanes = 3
	url := exchangetest.StartShipped(t, shipped)
	w := &world{t: t, lanes: lanes, progress: map[roundKey]Progress{}}
	w.changed = newCond(w)
	coordinator := login(t, url, "coordinator", nil)
	w.hub = w.startHub(coordinator, testRun)
	open(t, w.hub, testEpoch, 0, gradientLen)
	errs := make(chan error, 100)
	buses := []*Bus{
		login(t, url, "worker-1", func(err error) { errs <- err }),
		login(t, url, "worker-2", func(err error) { errs <- err }),
	}
	one, two := w.client(buses[0], "worker-1"), w.client(buses[1], "worker-2")
	g, ctx := errgroup.WithContext(timeout(t))
	g.Go(func() error { return w.step(ctx, one, 0, []int{0, 2}, gradientLen) })
	g.Go(func() error { return w.step(ctx, two, 0, []int{1}, gradientLen) })
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	want := testState(proto.ChunkBytes)
	cancel, err := one.ServeState(func(context.Context) (State, error) { return want, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	flush(t, buses[0])
	if got, err := two.FetchState(timeout(t), "worker-1"); err != nil || !sameBits(got.Params, want.Params) {
		t.Fatalf("state transfer: %v", err)
	}
	leader, ingester := login(t, url, "leader", nil), login(t, url, "ingester-1", nil)
	askAsIngestersDo(t, leader, ingester)
	for _, b := range append(buses, coordinator, leader, ingester) {
		if n := b.Counts().Refused; n != 0 {
			t.Fatalf("%s was refused %d times in ordinary work", b.name, n)
		}
	}

	refused := func(what string, b *Bus, do func() error) {
		t.Helper()
		before := b.Counts().Refused
		if err := do(); err != nil {
			t.Fatal(err)
		}
		flush(t, b)
		deadline := time.Now().Add(20 * time.Second)
		for b.Counts().Refused == before {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not refused", what)
			}
			pause(t.Context(), time.Millisecond)
		}
	}
	viewer := login(t, url, "viewer", nil)
	says := func(b *Bus, subject string) func() error {
		return func() error { return b.publish(subject, "", []byte("x")) }
	}
	hears := func(b *Bus, subject string) func() error {
		return func() error { _, err := b.subscribe(subject, func(message) {}); return err }
	}
	refused("a worker reports as another", buses[0], says(buses[0], proto.ReportSubject(testRun, "worker-2")))
	refused("a worker gives orders", buses[0], says(buses[0], proto.OrdersSubject(testRun)))
	refused("a worker says what is ready", buses[0], says(buses[0], proto.ReadySubject(testRun)))
	refused("a worker answers unasked", buses[0], says(buses[0], two.inbox+".ack.1"))
	refused("a worker hears another's answers", buses[0], hears(buses[0], "_INBOX_worker-2.>"))
	refused("a worker hears everything", buses[0], hears(buses[0], ">"))
	refused("a worker hears what others send", buses[0], hears(buses[0], proto.PartSubject(testRun, "*")))
	refused("the coordinator reports", coordinator, says(coordinator, proto.ReportSubject(testRun, "worker-1")))
	refused("the viewer says something", viewer, says(viewer, proto.OrdersSubject(testRun)))
	refused("an ingester asks as another", ingester, says(ingester, proto.QuestionSubject(testRun, "ingester-2")))
	refused("an ingester asks as a leader", ingester, says(ingester, proto.QuestionSubject(testRun, "leader")))
	refused("an ingester hears what others ask", ingester, hears(ingester, proto.QuestionSubject(testRun, "*")))
	refused("an ingester hears a run's orders", ingester, hears(ingester, proto.OrdersSubject(testRun)))
	refused("a leader asks as an ingester", leader, says(leader, proto.QuestionSubject(testRun, "ingester-1")))
	refused("a leader answers unasked", leader, says(leader, "_INBOX_ingester-1.x"))
	refused("a leader gives a run's orders", leader, says(leader, proto.OrdersSubject(testRun)))
	refused("a leader hears a run's reports", leader, hears(leader, proto.ReportSubject(testRun, "*")))
	refused("a worker asks as an ingester", buses[0], says(buses[0], proto.QuestionSubject(testRun, "ingester-1")))
	if err := next(t, errs, "error"); !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "worker-1") {
		t.Errorf("the refusal reads %v", err)
	}
}

// askAsIngestersDo asks a leader that answers ingesters and leaves other leaders without an answer.
func askAsIngestersDo(t *testing.T, leader, ingester *Bus) {
	t.Helper()
	cancel, err := leader.ServeQuestions(func(name string, question []byte) ([]byte, error) {
		if name == "leader" {
			return nil, nil
		}
		return append([]byte(name+" asks "), question...), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	flush(t, leader)
	if answer, err := ingester.Ask(timeout(t), []byte("what")); err != nil || string(answer) != "ingester-1 asks what" {
		t.Fatalf("%q, %v", answer, err)
	}
	short, end := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer end()
	if answer, err := leader.Ask(short, []byte("anybody older?")); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a leader answers itself with %q, %v", answer, err)
	}
}

// A transfer that the server forbids fails with the server's words and does not wait.
func TestAForbiddenTransferFailsAtOnce(t *testing.T) {
	url := exchangetest.StartShipped(t, shipped)
	w := &world{t: t, lanes: 1}
	b := login(t, url, "worker-1", nil)
	c := w.client(b, "worker-2") // in another's name
	s := c.Contribute(gradientPart(0, proto.Root(1), 10))
	if err := s.Wait(timeout(t)); !errors.Is(err, ErrPermission) {
		t.Errorf("a part on another's subject ends with %v", err)
	}
}
