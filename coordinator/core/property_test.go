package core

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/textground/textground/proto"
)

// script bytes are turned into events: any sequence of any events, however senseless.
type bytesSource struct{ data []byte }

func (b *bytesSource) next(n int) int {
	if len(b.data) == 0 {
		return 0
	}
	v := int(b.data[0])
	b.data = b.data[1:]
	return v % n
}

func (b *bytesSource) lanes(n int) []int {
	var lanes []int
	for mask := b.next(1 << 6); mask > 0; mask >>= 1 {
		if mask&1 == 1 {
			lanes = append(lanes, b.next(n+1)) // sometimes out of range
		}
	}
	return lanes
}

// anyEvent draws an event. Digests are mostly those of an honest worker, so that runs get somewhere.
func anyEvent(b *bytesSource, now *time.Duration) Event {
	step := b.next(7) - 2
	digest := fmt.Sprintf("d%d", step)
	if b.next(24) == 23 {
		digest = "bad"
	}
	switch b.next(12) {
	case 0:
		return Sealed{Step: step, Nonce: fmt.Sprintf("e2-%d", b.next(4)), Manifest: "m"}
	case 1:
		if b.next(8) == 7 {
			return StopAsked{"asked"}
		}
		return Sealed{Step: step, Nonce: fmt.Sprintf("e2-%d", b.next(4)), Err: errors.New("disk")}
	case 2:
		if b.next(8) == 7 {
			return Conflict{Step: step, Exchange: proto.Exchange(b.next(5)), Node: proto.Node{Lo: b.next(6) - 1, Hi: b.next(8)}, Workers: []string{"a", "b"}}
		}
		return Progress{Step: step, Exchange: proto.Exchange(b.next(5)), Missing: b.lanes(6), NonFinite: b.lanes(2)}
	case 3, 4:
		return Progress{Step: step, Exchange: proto.Exchange(b.next(5)), Missing: b.lanes(6), Complete: b.next(2) == 1}
	case 5, 6:
		*now += time.Duration(b.next(40)) * 100 * time.Millisecond
		return Tick{*now}
	}
	r := proto.Report{Worker: string(rune('a' + b.next(4))), Instance: fmt.Sprint(b.next(2)), Epoch: uint64(b.next(3)), Sequence: uint64(b.next(9)),
		Class: "c", Applied: step, Digest: digest, Leaving: b.next(16) == 15, Nonce: fmt.Sprintf("e2-%d", b.next(4)), Volumes: map[int]string{b.next(3): "r"}}
	if b.next(16) == 15 {
		r.Failed = "broken"
	}
	if b.next(16) == 15 {
		r.SaveFailed = "disk full"
	}
	return Reported{r}
}

func checkAnything(t interface{ Fatalf(string, ...any) }, data []byte) {
	b := &bytesSource{data}
	cfg := Config{Epoch: uint64(1 + b.next(2)), Lanes: 1 + b.next(6), Steps: 1 + b.next(4), SaveEvery: b.next(3), Volumes: 1 + b.next(3), MinWorkers: b.next(3),
		Class: "c", Base: proto.Base{Step: proto.Initial}, Mixed: b.next(4) == 3, Rates: func(int) proto.Rates { return proto.Rates{} }}
	first, err := New(cfg)
	if err != nil {
		t.Fatalf("config %+v: %v", cfg, err)
	}
	second, _ := New(cfg)
	check := newInvariants(cfg)
	var now time.Duration
	for len(b.data) > 0 {
		e := anyEvent(b, &now)
		actions := first.Handle(e)
		if again := second.Handle(e); !reflect.DeepEqual(actions, again) {
			t.Fatalf("the same events gave different actions: %+v and %+v", actions, again)
		}
		for _, a := range actions {
			if wrong := check.see(a); wrong != "" {
				t.Fatalf("after %+v: %s: %s", e, describe(a), wrong)
			}
		}
		if wrong := check.leased(first); wrong != "" {
			t.Fatalf("after %+v: %s", e, wrong)
		}
		first.Waiting()
		first.Workers()
	}
}

// invariants is what must hold of every sequence of actions.
type invariants struct {
	cfg      Config
	sequence uint64
	digests  map[int]string
	open     map[int]bool
	finished bool
}

func newInvariants(cfg Config) *invariants {
	return &invariants{cfg: cfg, digests: map[int]string{}, open: map[int]bool{}}
}

func (v *invariants) see(a Action) string {
	switch a := a.(type) {
	case Publish:
		return v.orders(a.Orders)
	case OpenStep:
		if v.open[a.Step] {
			return "opened twice"
		}
		v.open[a.Step] = true
		if a.Step < 0 || a.Step >= v.cfg.Steps {
			return "no step of the run"
		}
	case CloseSteps:
		for step := range v.open {
			if step <= a.UpTo {
				delete(v.open, step)
			}
		}
	case Commit:
		on, again := v.digests[a.Step]
		if again != a.Again || again && on != a.Digest && !v.cfg.Mixed {
			return "the record has " + on
		}
		v.digests[a.Step] = a.Digest
	case Seal:
		if len(a.Records) != v.cfg.Volumes {
			return "a manifest would miss volumes"
		}
	case Finish:
		if v.finished {
			return "finished twice"
		}
		v.finished = true
	}
	return ""
}

func (v *invariants) orders(o proto.Orders) string {
	if o.Sequence < v.sequence {
		return "the sequence falls"
	}
	v.sequence = o.Sequence
	if !slices.IsSorted(o.Members) || len(slices.Compact(slices.Clone(o.Members))) != len(o.Members) {
		return "members are not a sorted set"
	}
	if o.Mode == proto.Running && (o.Step != o.Committed+1 || len(o.Members) == 0) {
		return "running without members or with a gap"
	}
	for i, l := range o.Leases {
		if !slices.Contains(o.Members, l.Worker) || i > 0 && (o.Leases[i-1].Lane > l.Lane || o.Leases[i-1] == l) {
			return "bad lease"
		}
	}
	for follower, peer := range o.Peers {
		if slices.Contains(o.Members, follower) || !slices.Contains(o.Members, peer) {
			return "bad peer"
		}
	}
	return ""
}

// leased reports a lane that is missing while nobody computes it.
func (v *invariants) leased(m *Machine) string {
	if m.currentMode() != proto.Running {
		return ""
	}
	for _, lane := range m.round.missing[proto.Gradients] {
		if len(m.round.holders(m.round.step, []int{lane})) == 0 {
			return fmt.Sprintf("nobody holds lane %d", lane)
		}
	}
	return ""
}

// Any sequence of events keeps the invariants, and the same events give the same actions.
func TestAnyEventsKeepTheInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkAnything(t, rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "events"))
	})
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte{0, 3, 3, 1, 1, 1, 0, 2, 0, 7, 0, 1, 0, 0, 1, 0, 0, 2, 1, 0, 8})
	f.Fuzz(func(t *testing.T, data []byte) { checkAnything(t, data[:min(len(data), 4000)]) })
}

// Lanes are spread in contiguous runs that differ by one at most, and stay where they are while the members stay.
func TestAssignIsBalancedContiguousAndStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lanes := rapid.IntRange(1, 64).Draw(t, "lanes")
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,2}`), 1, 8, rapid.ID[string])
		before := names.Draw(t, "before")
		slices.Sort(before)
		owners := assign(nil, before, lanes)
		if again := assign(owners, before, lanes); !slices.Equal(owners, again) {
			t.Fatalf("the same members, but %v becomes %v", owners, again)
		}
		after := names.Draw(t, "after")
		slices.Sort(after)
		owners = assign(owners, after, lanes)
		count := map[string]int{}
		for lane, name := range owners {
			if count[name] > 0 && owners[lane-1] != name {
				t.Fatalf("%s holds two runs in %v", name, owners)
			}
			count[name]++
		}
		for _, name := range after {
			if n := count[name]; n < lanes/len(after) || n > (lanes+len(after)-1)/len(after) {
				t.Fatalf("%s holds %d of %d lanes among %d members", name, n, lanes, len(after))
			}
		}
	})
}
