package exchange

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/textground/textground/proto"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testRun   = "test-run"
	testEpoch = 7
)

// sizes of the exchanges in the tests: odd ones, and gradients of several chunks, the last one short.
const (
	textLen     = 37
	columnsLen  = 50
	gradientLen = 2*proto.ChunkBytes/4 + 1001
)

// world is a server, a hub on it in the same process, and whatever workers a test adds.
type world struct {
	t      testing.TB
	lanes  int
	server *Server
	hub    *Hub

	mu       sync.Mutex
	changed  *sync.Cond
	progress map[roundKey]Progress // the last one of each exchange
	alarms   []Disagreement
}

func newWorld(t testing.TB, lanes int, gradients int) *world {
	t.Helper()
	w := &world{t: t, lanes: lanes, progress: map[roundKey]Progress{}}
	w.changed = newCond(w)
	w.server = startServer(t, 0)
	bus := dial(t, BusConfig{Name: "coordinator", InProcess: w.server})
	w.hub = w.startHub(bus, bus.run)
	open(t, w.hub, testEpoch, 0, gradients)
	return w
}

func newCond(w *world) *sync.Cond { return sync.NewCond(&w.mu) }

func startServer(t testing.TB, port int) *Server {
	t.Helper()
	s, err := StartServer(ServerConfig{Listen: true, Port: port, Token: "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func dial(t testing.TB, c BusConfig) *Bus {
	t.Helper()
	c.Run = testRun
	b, err := Dial(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func (w *world) startHub(on wire, run string) *Hub {
	w.t.Helper()
	h, err := newHub(on, run, HubConfig{Lanes: w.lanes, TextLen: textLen, ColumnsLen: columnsLen, Keep: proto.MaxBehind,
		OnProgress: func(p Progress) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.progress[roundKey{p.Step, p.Exchange}] = p
			w.changed.Broadcast()
		},
		OnConflict: func(d Disagreement) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.alarms = append(w.alarms, d)
			w.changed.Broadcast()
		}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(h.Close)
	return h
}

func open(t testing.TB, h *Hub, epoch uint64, step, gradients int) {
	t.Helper()
	if err := h.Open(epoch, step, gradients, fmt.Appendf(nil, "note of %d", step)); err != nil {
		t.Fatal(err)
	}
}

// until waits for a state of affairs that the hub's callbacks bring about.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	giveUp := time.AfterFunc(20*time.Second, func() { w.changed.Broadcast() })
	defer giveUp.Stop()
	deadline := time.Now().Add(20 * time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	for !is() {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within 20 s: %s; progress %v", what, w.progress)
		}
		w.changed.Wait()
	}
}

// worker joins over a socket of its own.
func (w *world) worker(name string) *Client {
	w.t.Helper()
	b := dial(w.t, BusConfig{Name: name, URL: w.server.URL(), Token: "s3cret"})
	return w.client(b, name)
}

func (w *world) client(on wire, name string) *Client {
	w.t.Helper()
	c, err := newClient(on, testRun, name, ClientConfig{Lanes: w.lanes, TextLen: textLen}, pace{resendAfter, pollEvery})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	c.BeginEpoch(testEpoch)
	return c
}

func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func textOf(step, k int) []float32    { return laneValues[float32](uint64(100+step), k, textLen) }
func columnsOf(step, k int) []float64 { return laneValues[float64](uint64(200+step), k, columnsLen) }
func lossesOf(step, k int) []float64 {
	return laneValues[float64](uint64(300+step), k, proto.LossTerms)
}
func gradientOf(step, k, n int) []float32 { return laneValues[float32](uint64(400+step), k, n) }

func columnPart(step int, n proto.Node) Part {
	return Part{Step: step, Exchange: proto.Columns, Node: n, Float64: SumSubtree(n, func(k int) []float64 { return columnsOf(step, k) })}
}

func gradientPart(step int, n proto.Node, length int) Part {
	return Part{Step: step, Exchange: proto.Gradients, Node: n,
		Float32: SumSubtree(n, func(k int) []float32 { return gradientOf(step, k, length) }),
		Tail:    SumSubtree(n, func(k int) []float64 { return lossesOf(step, k) })}
}

// step is what a worker with the given lanes does with the bus in one step, and checks what comes back.
func (w *world) step(ctx context.Context, c *Client, step int, lanes []int, length int) error {
	var parts []*Sending
	for _, k := range lanes {
		parts = append(parts, c.Contribute(Part{Step: step, Exchange: proto.Texts, Node: proto.Node{Lo: k, Hi: k + 1}, Float32: textOf(step, k)}))
	}
	texts, err := c.Await(ctx, step, proto.Texts)
	if err != nil {
		return err
	}
	for k := range w.lanes {
		if !sameBits(texts.Float32[k*textLen:(k+1)*textLen], textOf(step, k)) {
			return fmt.Errorf("texts of lane %d differ", k)
		}
	}
	cover := proto.Cover(lanes, w.lanes)
	for _, n := range cover {
		parts = append(parts, c.Contribute(columnPart(step, n)))
	}
	columns, err := c.Await(ctx, step, proto.Columns)
	if err != nil {
		return err
	}
	if !sameBits(columns.Float64, columnPart(step, proto.Root(w.lanes)).Float64) {
		return errors.New("column sums differ")
	}
	for _, n := range cover {
		p := gradientPart(step, n, length)
		s := c.Begin(p)
		for hi := length; hi > 0; hi -= 100_000 { // as a backward pass makes them, from the end
			s.Ready(max(0, hi-100_000), hi)
		}
		s.End(p.Tail, nil)
		parts = append(parts, s)
	}
	if err := w.checkGradients(ctx, c, step, length); err != nil {
		return err
	}
	for _, s := range parts {
		if err := s.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) checkGradients(ctx context.Context, c *Client, step, length int) error {
	got, err := c.Await(ctx, step, proto.Gradients)
	if err != nil {
		return err
	}
	want := gradientPart(step, proto.Root(w.lanes), length)
	switch {
	case len(got.Float32) != length || !sameBits(got.Float32, want.Float32):
		return fmt.Errorf("gradients of step %d differ", step)
	case len(got.Tail) != proto.LossTerms || !sameBits(got.Tail, want.Tail):
		return fmt.Errorf("losses of step %d differ", step)
	case string(got.Note) != fmt.Sprintf("note of %d", step):
		return fmt.Errorf("the note of step %d is %q", step, got.Note)
	case len(got.NonFinite) > 0 || got.SumNonFinite:
		return fmt.Errorf("gradients of step %d are called not finite (%v)", step, got.NonFinite)
	}
	return nil
}

// Two, three and five workers, each with any lanes: every vector has the bits of the one tree, for steps on end.
func TestAnyWorkersGetTheBitsOfTheTree(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 5} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			const lanes, steps = 6, 2
			w := newWorld(t, lanes, gradientLen)
			held := make([][]int, workers)
			for k := range lanes {
				i := (k*5 + workers) % workers
				held[i] = append(held[i], k)
			}
			clients := make([]*Client, workers)
			for i := range clients {
				clients[i] = w.worker(fmt.Sprintf("w%d", i))
			}
			for step := range steps {
				if step > 0 {
					open(t, w.hub, testEpoch, step, gradientLen)
				}
				g, ctx := errgroup.WithContext(timeout(t))
				for i, c := range clients {
					g.Go(func() error { return w.step(ctx, c, step, held[i], gradientLen) })
				}
				if err := g.Wait(); err != nil {
					t.Fatal(err)
				}
				w.until("all exchanges complete", func() bool {
					p := w.progress[roundKey{step, proto.Gradients}]
					return p.Complete && len(p.Missing) == 0 && slices.Equal(p.Losses, gradientPart(step, proto.Root(lanes), 1).Tail)
				})
				w.hub.CloseSteps(step)
			}
		})
	}
}
