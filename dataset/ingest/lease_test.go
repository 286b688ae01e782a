package ingest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Unix(1_700_000_000, 0)

func TestPartsOfASilentIngesterGoToOthers(t *testing.T) {
	l := NewLeases(3, []int{1})
	if o := l.Handle(epoch, Report{Name: "a", Room: 5}); !slices.Equal(o.Parts, []int{0, 2}) || o.Sealed != 1 {
		t.Fatalf("%+v", o)
	}
	if o := l.Handle(epoch.Add(LeaseTime), Report{Name: "b", Room: 1}); len(o.Parts) != 0 || o.Done {
		t.Fatalf("%+v", o)
	}
	if o := l.Handle(epoch.Add(LeaseTime+1), Report{Name: "b", Room: 1}); !slices.Equal(o.Parts, []int{0}) {
		t.Fatalf("%+v", o)
	}
	if o := l.Handle(epoch.Add(LeaseTime+2), Report{Name: "a", Room: 5, Sealed: []int{0, 2}}); len(o.Parts) != 0 || !o.Done {
		t.Fatalf("%+v", o)
	}
	if l.Over(epoch.Add(LeaseTime + 3)) {
		t.Error("b does not know yet")
	}
	l.Handle(epoch.Add(LeaseTime+4), Report{Name: "b", Room: 1})
	if !l.Over(epoch.Add(LeaseTime + 5)) {
		t.Error("all know")
	}
}

func TestARepeatedReportChangesNothing(t *testing.T) {
	l := NewLeases(4, nil)
	first := l.Handle(epoch, Report{Name: "a", Room: 2})
	if again := l.Handle(epoch, Report{Name: "a", Room: 2}); !slices.Equal(first.Parts, again.Parts) {
		t.Errorf("%v, then %v", first.Parts, again.Parts)
	}
	if o := l.Handle(epoch, Report{Name: "a", Room: 2, Sealed: []int{-1, 99, 0, 0}}); !slices.Equal(o.Parts, []int{1, 2}) || o.Sealed != 1 {
		t.Errorf("%+v", o)
	}
}

// A leader that has just begun leaves parts with those who work on them, unless somebody else was given them meanwhile.
func TestANewLeaderLeavesPartsWithThoseWhoWorkOnThem(t *testing.T) {
	l := NewLeases(8, []int{0})
	for _, c := range []struct {
		report Report
		want   []int
	}{
		{Report{Name: "a", Room: 2, Works: []int{5, 6}}, []int{5, 6}},
		{Report{Name: "b", Room: 2, Works: []int{6, 3}}, []int{1, 3}},
		{Report{Name: "c", Room: 3, Works: []int{0, -1, 99, 7, 5}}, []int{2, 4, 7}},
		{Report{Name: "d", Room: 2}, nil},
		{Report{Name: "a", Room: 2, Works: []int{5}, Sealed: []int{6}}, []int{5}},
	} {
		if o := l.Handle(epoch, c.report); !slices.Equal(o.Parts, c.want) {
			t.Errorf("%+v: %v, want %v", c.report, o.Parts, c.want)
		}
	}
}

// Ingesters come, go, work, and their reports and answers are lost: no part has two holders, and all are sealed in the end.
func TestNoPartHasTwoHoldersAndAllAreSealed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.IntRange(1, 12).Draw(t, "parts")
		l, now := NewLeases(parts, nil), epoch
		report := func(name string, sealed []int) Orders {
			works := rapid.SliceOfN(rapid.IntRange(-1, parts), 0, 3).Draw(t, "works on") // true or not
			o := l.Handle(now, Report{Name: name, Room: 2, Works: works, Sealed: sealed})
			seen := map[int]bool{}
			for part := range parts {
				for _, other := range []string{"a", "b", "c"} {
					if slices.Contains(l.heldBy(other), part) {
						if seen[part] {
							t.Fatalf("part %d has two holders", part)
						}
						seen[part] = true
					}
				}
			}
			return o
		}
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond)
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "who")
			o := report(name, nil)
			if rapid.Bool().Draw(t, "works") && len(o.Parts) > 0 {
				report(name, o.Parts[:1])
			}
		}
		for turns := 0; !l.Done(); turns++ {
			now = now.Add(LeaseTime + 1)
			report("a", report("a", nil).Parts)
			if turns > parts {
				t.Fatal(fmt.Sprint("not done: ", l.holder))
			}
		}
	})
}
