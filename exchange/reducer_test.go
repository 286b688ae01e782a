package exchange

import (
	"math"
	"slices"
	"testing"

	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/proto"
	"pgregory.net/rapid"
)

// laneValues are numbers of very different size: adding them in another order, or grouping them otherwise, gives other bits.
// Long ones repeat after a prime number of values, so a chunk in the wrong place shows.
func laneValues[T Float](seed uint64, lane, length int) []T {
	const period = 5003
	key := philox.NewKey(seed, philox.Test)
	values := make([]T, length)
	for i := range min(length, period) {
		w := key.Block(7, uint32(lane), uint64(i))
		u := float64(w[0])*0x1p-32 + float64(w[1])*0x1p-64 // all bits of a float64
		values[i] = T(math.Ldexp(2*u-1, int(w[2]%32)-16))
	}
	for i := period; i < length; i += copy(values[i:], values[:i]) {
	}
	return values
}

// drawParts draws a partition of all lanes into parts as workers would make them, some lanes twice.
func drawParts(t *rapid.T, lanes int) []proto.Node {
	workers := rapid.IntRange(1, 5).Draw(t, "workers")
	held := make([][]int, workers)
	for k := range lanes {
		w := rapid.IntRange(0, workers-1).Draw(t, "worker of lane")
		held[w] = append(held[w], k)
		if rapid.IntRange(0, 5).Draw(t, "raced") == 0 {
			other := rapid.IntRange(0, workers-1).Draw(t, "racer")
			if other != w {
				held[other] = append(held[other], k)
			}
		}
	}
	var parts []proto.Node
	for _, lanesOf := range held {
		parts = append(parts, proto.Cover(lanesOf, lanes)...)
	}
	return rapid.Permutation(parts).Draw(t, "arrival")
}

func checkAnyArrival[T Float](t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lanes := rapid.IntRange(1, 24).Draw(t, "lanes")
		length := rapid.IntRange(0, 5).Draw(t, "length")
		seed := rapid.Uint64().Draw(t, "seed")
		lane := func(k int) []T { return laneValues[T](seed, k, length) }
		want := SumSubtree(proto.Root(lanes), lane)

		tree := NewTree[T](lanes)
		covered := make([]bool, lanes)
		for _, n := range drawParts(t, lanes) {
			for again := range rapid.IntRange(1, 2).Draw(t, "times sent") {
				o := tree.Add(n, SumSubtree(n, lane))
				if o == Conflict || o == Refused || (again == 1 && o == Kept) {
					t.Fatalf("part %v sent for the time %d: %v", n, again+1, o)
				}
			}
			for k := n.Lo; k < n.Hi; k++ {
				covered[k] = true
			}
			for i, k := range tree.Missing() {
				if covered[k] || i >= lanes {
					t.Fatalf("lane %d is called missing", k)
				}
			}
		}
		got, ok := tree.Sum()
		if !ok || !sameBits(got, want) || len(got) != len(want) {
			t.Fatalf("sum %v (complete %v), want %v", got, ok, want)
		}
	})
}

// Any partition into parts, any order of arrival, any duplicates: same bits.
func TestTreeGivesTheSameBitsForAnyArrivalFloat32(t *testing.T) { checkAnyArrival[float32](t) }
func TestTreeGivesTheSameBitsForAnyArrivalFloat64(t *testing.T) { checkAnyArrival[float64](t) }

// The values of the tests would show a wrong order.
func TestOrderOfLanesMatters(t *testing.T) {
	lane := func(k int) []float32 { return laneValues[float32](1, k, 64) }
	want := SumSubtree(proto.Root(8), lane)
	inTurn := slices.Clone(lane(0))
	for k := 1; k < 8; k++ {
		addTo(inTurn, lane(k))
	}
	if sameBits(want, inTurn) {
		t.Fatal("adding lane after lane gives the same bits as the tree: the test values show nothing")
	}
}

func TestTreeNamesWhatIsWrong(t *testing.T) {
	n := func(lo, hi int) proto.Node { return proto.Node{Lo: lo, Hi: hi} }
	tree := NewTree[float32](4)
	for _, c := range []struct {
		node   proto.Node
		values []float32
		want   Outcome
	}{
		{n(0, 1), []float32{1, 2}, Kept},
		{n(0, 1), []float32{1, 2}, Duplicate},
		{n(0, 1), []float32{1, 3}, Conflict},
		{n(0, 1), []float32{1}, Refused},
		{n(1, 3), []float32{1, 2}, Refused},
		{n(3, 5), []float32{1, 2}, Refused},
		{n(0, 2), []float32{5, 5}, Kept}, // stands above lane 0
		{n(1, 2), []float32{4, 3}, Dropped},
		{n(3, 4), []float32{1, 1}, Kept},
		{n(2, 3), []float32{1, 1}, Kept},
		{n(2, 4), []float32{2, 2}, Dropped},
		{n(0, 4), []float32{7, 7}, Duplicate},
		{n(0, 4), []float32{7, float32(math.NaN())}, Conflict},
	} {
		if got := tree.Add(c.node, c.values); got != c.want {
			t.Errorf("adding %v to %v: %v, want %v", c.values, c.node, got, c.want)
		}
	}
	if sum, ok := tree.Sum(); !ok || !slices.Equal(sum, []float32{7, 7}) {
		t.Errorf("sum %v, complete %v", sum, ok)
	}
}

// A tree of many lanes that arrive one by one needs few buffers: one for each node on the way to the root.
func TestTreeReusesItsBuffers(t *testing.T) {
	const lanes, length = 64, 10
	tree := NewTree[float64](lanes)
	for k := range lanes {
		tree.Add(proto.Node{Lo: k, Hi: k + 1}, laneValues[float64](3, k, length))
	}
	if most := 8 * length; tree.spare.made > most {
		t.Errorf("%d values allocated, want at most %d", tree.spare.made, most)
	}
}
