package exchange

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/textground/textground/proto"
)

func testState(n int) State {
	return State{Step: 41, Digest: "d1gest", Note: []byte("counts"),
		Params: laneValues[float32](1, 0, n), M1: laneValues[float32](2, 0, n), M2: laneValues[float32](3, 0, n-7)}
}

func sameState(a, b State) bool {
	return a.Step == b.Step && a.Digest == b.Digest && slices.Equal(a.Note, b.Note) && slices.Equal(a.Params, b.Params) &&
		slices.Equal(a.M1, b.M1) && slices.Equal(a.M2, b.M2)
}

func TestStateArrivesAsItWas(t *testing.T) {
	w := newWorld(t, 1, 10)
	member := w.worker("member")
	want := testState(2*proto.ChunkBytes/4 + 5) // more chunks than the window
	boundary := make(chan struct{})
	cancel, err := member.ServeState(func(ctx context.Context) (State, error) {
		select {
		case <-boundary: // as a worker that first ends its step
			return want, nil
		case <-ctx.Done():
			return State{}, ctx.Err()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	flush(t, member.wire.(*Bus))
	got := make(chan error, 2)
	for _, name := range []string{"f1", "f2"} {
		c := w.worker(name)
		go func() {
			s, err := c.FetchState(timeout(t), "member")
			if err == nil && !sameState(s, want) {
				err = errors.New("the copy differs")
			}
			got <- err
		}()
	}
	close(boundary)
	for range 2 {
		if err := next(t, got, "copy"); err != nil {
			t.Error(err)
		}
	}
}

// altering changes one byte of some frames on their way, behind the sender's back.
type altering struct {
	wire
	kind  frameKind
	heal  bool // make the checksum right again: the damage is in the sender's memory, not on the way
	times atomic.Int64
}

func (a *altering) publish(subject, reply string, data []byte) error {
	if frameKind(data[3]) == a.kind && len(data) > headerBytes+100 && a.times.Add(-1) >= 0 {
		data = slices.Clone(data)
		data[headerBytes+50] ^= 4
		if a.heal {
			data = sealFrame(data[:len(data)-crcBytes])
		}
	}
	return a.wire.publish(subject, reply, data)
}

// A bit that flips on the way is asked for again; one that flipped in the peer's memory is refused.
func TestAFlippedBitIsNeverTaken(t *testing.T) {
	for _, c := range []struct {
		name string
		heal bool
		want error
	}{{"on the way", false, nil}, {"in the peer", true, ErrDamaged}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, 10)
			a := &altering{wire: dial(t, BusConfig{Name: "member", URL: w.server.URL(), Token: "s3cret"}), kind: copyFrame, heal: c.heal}
			a.times.Store(1)
			member, follower := w.client(a, "member"), w.worker("follower")
			want := testState(1000)
			cancel, err := member.ServeState(func(context.Context) (State, error) { return want, nil })
			if err != nil {
				t.Fatal(err)
			}
			defer cancel()
			flush(t, a.wire.(*Bus))
			got, err := follower.FetchState(timeout(t), "member")
			if !errors.Is(err, c.want) || (c.want == nil && !sameState(got, want)) {
				t.Errorf("the copy ends with %v, want %v", err, c.want)
			}
		})
	}
}

// A flipped bit in a gradient chunk, in either direction, costs a resend.
func TestAFlippedBitInAnExchangeIsAskedForAgain(t *testing.T) {
	const length = proto.ChunkBytes
	w := newWorld(t, 1, length)
	w.hub.Close()
	down := &altering{wire: dial(t, BusConfig{Name: "coordinator", InProcess: w.server}), kind: reducedFrame}
	up := &altering{wire: dial(t, BusConfig{Name: "one", URL: w.server.URL(), Token: "s3cret"}), kind: partFrame}
	down.times.Store(1)
	up.times.Store(1)
	w.hub = w.startHub(down, testRun)
	open(t, w.hub, testEpoch, 0, length)
	c := w.client(up, "one")
	c.Contribute(gradientPart(0, proto.Root(1), length))
	if err := w.checkGradients(timeout(t), c, 0, length); err != nil {
		t.Fatal(err)
	}
	if w.hub.Counts()["unreadable"] != 1 {
		t.Errorf("the hub counts %v", w.hub.Counts())
	}
}

// silentAfter lets a number of frames of a kind through, then none at all: a peer that hangs.
type silentAfter struct {
	wire
	kind frameKind
	left atomic.Int64
}

func (s *silentAfter) publish(subject, reply string, data []byte) error {
	if frameKind(data[3]) == s.kind && s.left.Add(-1) < 0 {
		return nil
	}
	return s.wire.publish(subject, reply, data)
}

func TestAPeerThatDiesOrHangsIsNoticed(t *testing.T) {
	w := newWorld(t, 1, 10)
	follower := w.worker("follower")
	fetch := func(peer string, want error, within time.Duration) {
		t.Helper()
		began := time.Now()
		_, err := follower.FetchState(timeout(t), peer)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), peer) {
			t.Errorf("copying from %s ends with %v, want %v", peer, err, want)
		}
		if took := time.Since(began); took > within {
			t.Errorf("copying from %s: noticed after %v", peer, took)
		}
	}
	fetch("nobody", ErrPeerAway, 2*time.Second)

	hangs := &silentAfter{wire: dial(t, BusConfig{Name: "hangs", URL: w.server.URL(), Token: "s3cret"}), kind: copyFrame}
	hangs.left.Store(3)
	member := w.client(hangs, "hangs")
	cancel, err := member.ServeState(func(context.Context) (State, error) { return testState(2*proto.ChunkBytes/4 + 5), nil })
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	flush(t, hangs.wire.(*Bus))
	fetch("hangs", ErrPeerAway, 10*time.Second)

	dies := w.worker("dies")
	taken := make(chan struct{})
	if _, err := dies.ServeState(func(ctx context.Context) (State, error) {
		close(taken)
		<-ctx.Done()
		return State{}, ctx.Err()
	}); err != nil {
		t.Fatal(err)
	}
	flush(t, dies.wire.(*Bus))
	go func() {
		<-taken
		dies.Close()
	}()
	fetch("dies", ErrPeerAway, 5*time.Second)

	refuses := w.worker("refuses")
	if _, err := refuses.ServeState(func(context.Context) (State, error) { return State{}, errors.New("no state yet") }); err != nil {
		t.Fatal(err)
	}
	flush(t, refuses.wire.(*Bus))
	if _, err := follower.FetchState(timeout(t), "refuses"); err == nil || !strings.Contains(err.Error(), "no state yet") {
		t.Errorf("copying from one without state ends with %v", err)
	}
}
