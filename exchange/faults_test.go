package exchange

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/proto"
	"golang.org/x/sync/errgroup"
)

// lossy drops, doubles and holds back what is published, by a seed.
type lossy struct {
	wire
	mu      sync.Mutex
	rolls   philox.Key
	rolled  uint64
	held    []message
	dropped atomic.Int64
}

func (l *lossy) publish(subject, reply string, data []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := append(l.held, message{subject: subject, reply: reply, data: bytes.Clone(data)})
	l.held = nil
	roll := l.rolls.Uniform(0, 0, l.rolled)
	l.rolled++
	switch {
	case roll < 0.2:
		out = out[:len(out)-1]
		l.dropped.Add(1)
	case roll < 0.3:
		out = append(out, out[len(out)-1])
	case roll < 0.4:
		l.held = out
		return nil
	}
	for _, m := range out {
		if err := l.wire.publish(m.subject, m.reply, m.data); err != nil {
			return err
		}
	}
	return nil
}

// Frames that are lost, doubled, late or out of order, in both directions, cost time and no bit.
func TestALossyBusChangesNoBit(t *testing.T) {
	for _, seed := range []uint64{1, 2} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			const lanes, length = 5, 2*proto.ChunkBytes/4 + 11
			w := newWorld(t, lanes, length)
			w.hub.Close()
			var wires []*lossy
			broken := func(b *Bus) *lossy {
				l := &lossy{wire: b, rolls: philox.NewKey(seed+uint64(len(wires))<<32, philox.Test)}
				wires = append(wires, l)
				return l
			}
			w.hub = w.startHub(broken(dial(t, BusConfig{Name: "coordinator", InProcess: w.server})), testRun)
			open(t, w.hub, testEpoch, 0, length)
			g, ctx := errgroup.WithContext(timeout(t))
			for i, lanesOf := range [][]int{{0, 1, 4}, {2, 3}} {
				name := fmt.Sprintf("w%d", i)
				b := dial(t, BusConfig{Name: name, URL: w.server.URL(), Token: "s3cret"})
				c, err := newClient(broken(b), testRun, name, ClientConfig{Lanes: lanes, TextLen: textLen}, pace{60 * time.Millisecond, 30 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(c.Close)
				c.BeginEpoch(testEpoch)
				g.Go(func() error { return w.step(ctx, c, 0, lanesOf, length) })
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			for _, l := range wires {
				if l.dropped.Load() == 0 {
					t.Error("a bus lost nothing: the test shows nothing")
				}
			}
		})
	}
}

// A worker dies after some chunks of a large part; others send its lanes as smaller parts. What arrived stays, and counts once.
func TestDeathInMidChunkCountsEveryLaneOnce(t *testing.T) {
	const lanes = 4
	w := newWorld(t, lanes, gradientLen)
	dying, left, right := w.worker("dying"), w.worker("left"), w.worker("right")
	whole := gradientPart(0, proto.Node{Lo: 0, Hi: 4}, gradientLen)
	s := dying.Begin(whole)
	s.Ready(gradientLen-proto.ChunkBytes/2, gradientLen) // chunk 0 and nearly all of chunk 1
	w.untilCounted("accepted", 1)
	dying.Close()
	if err := s.Err(); !errors.Is(err, ErrClosed) {
		t.Errorf("the dead worker's part ends with %v", err)
	}
	g, ctx := errgroup.WithContext(timeout(t))
	for c, nodes := range map[*Client][]proto.Node{left: {{Lo: 0, Hi: 1}, {Lo: 1, Hi: 2}}, right: {{Lo: 2, Hi: 4}}} {
		g.Go(func() error {
			for _, n := range nodes {
				c.Contribute(gradientPart(0, n, gradientLen))
			}
			return w.checkGradients(ctx, c, 0, gradientLen)
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := w.hub.Counts()["known"]; n < 3 {
		t.Errorf("%d chunks were known already, want the 3 of chunk 0", n)
	}
}

func (w *world) untilCounted(answer string, n uint64) {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for w.hub.Counts()[answer] < n {
		if time.Now().After(deadline) {
			w.t.Fatalf("not %d times %q: %v", n, answer, w.hub.Counts())
		}
		pause(w.t.Context(), time.Millisecond)
	}
}

// paused holds up the handlers of reduced chunks, as a process does that is stopped for a while.
type paused struct {
	wire
	resume chan struct{}
}

func (p *paused) subscribe(subject string, handle func(message)) (func(), error) {
	if !strings.Contains(subject, ".pull.") {
		return p.wire.subscribe(subject, handle)
	}
	return p.wire.subscribe(subject, func(m message) {
		<-p.resume
		handle(m)
	})
}

// A worker that reads nothing for a while loses frames; it learns that, asks again, and delays nobody.
func TestASlowConsumerNeitherHangsNorMiscounts(t *testing.T) {
	const lanes = 2
	w := newWorld(t, lanes, gradientLen)
	errs := make(chan error, 100)
	b := dial(t, BusConfig{Name: "slow", URL: w.server.URL(), Token: "s3cret", OnError: func(err error) {
		select {
		case errs <- err:
		default:
		}
	}})
	b.pending = proto.ChunkBytes + 8192 // one chunk
	p := &paused{wire: b, resume: make(chan struct{})}
	slow, quick := w.client(p, "slow"), w.worker("quick")
	ctx := timeout(t)
	slow.Contribute(gradientPart(0, proto.Node{Lo: 0, Hi: 1}, gradientLen))
	quick.Contribute(gradientPart(0, proto.Node{Lo: 1, Hi: 2}, gradientLen))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.checkGradients(ctx, slow, 0, gradientLen) })
	if err := w.checkGradients(ctx, quick, 0, gradientLen); err != nil {
		t.Fatalf("the quick worker: %v", err)
	}
	select {
	case err := <-errs:
		if !errors.Is(err, ErrSlow) {
			t.Fatalf("reported %v, want dropped messages", err)
		}
	case <-ctx.Done():
		t.Fatal("dropped messages were not reported")
	}
	close(p.resume)
	if err := g.Wait(); err != nil {
		t.Fatalf("the slow worker: %v", err)
	}
	if b.Counts().Slow == 0 {
		t.Error("the slow consumer was not counted")
	}
}

// The embedded server goes away in the middle of an exchange and comes back on its port.
func TestARestartedServerIsFoundAgain(t *testing.T) {
	const lanes = 2
	w := newWorld(t, lanes, gradientLen)
	w.hub.Close()
	hubBus := dial(t, BusConfig{Name: "coordinator", URL: w.server.URL(), Token: "s3cret"})
	w.hub = w.startHub(hubBus, testRun)
	open(t, w.hub, testEpoch, 0, gradientLen)
	one, two := w.worker("one"), w.worker("two")
	one.Contribute(gradientPart(0, proto.Node{Lo: 0, Hi: 1}, gradientLen))
	w.untilCounted("accepted", 3)
	port := w.server.Port()
	w.server.Close()
	two.Contribute(gradientPart(0, proto.Node{Lo: 1, Hi: 2}, gradientLen)) // nobody hears it
	startServer(t, port)
	g, ctx := errgroup.WithContext(timeout(t))
	for _, c := range []*Client{one, two} {
		g.Go(func() error { return w.checkGradients(ctx, c, 0, gradientLen) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if hubBus.Counts().Reconnects == 0 {
		t.Error("the hub's bus counted no reconnection")
	}
}

// A new coordinator has lost all parts: what was under way to the old one ends by name, and is contributed again.
func TestANewEpochBeginsAfresh(t *testing.T) {
	const lanes = 2
	w := newWorld(t, lanes, gradientLen)
	one, two := w.worker("one"), w.worker("two")
	old := one.Begin(gradientPart(0, proto.Node{Lo: 0, Hi: 1}, gradientLen))
	old.Ready(gradientLen/2, gradientLen)
	w.untilCounted("accepted", 1)

	w.hub.Close()
	w.hub = w.startHub(dial(t, BusConfig{Name: "coordinator", InProcess: w.server}), testRun)
	open(t, w.hub, testEpoch+1, 0, gradientLen)
	if err := two.Contribute(gradientPart(0, proto.Node{Lo: 1, Hi: 2}, gradientLen)).Wait(timeout(t)); !errors.Is(err, ErrStaleEpoch) {
		t.Errorf("a part of the old epoch ends with %v", err)
	}
	g, ctx := errgroup.WithContext(timeout(t))
	for i, c := range []*Client{one, two} {
		g.Go(func() error { return w.checkGradients(ctx, c, 0, gradientLen) }) // begun under the old epoch or the new one
		c.BeginEpoch(testEpoch + 1)
		c.Contribute(gradientPart(0, proto.Node{Lo: i, Hi: i + 1}, gradientLen))
	}
	if err := old.Err(); !errors.Is(err, ErrStaleEpoch) {
		t.Errorf("the part under way ends with %v", err)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}
