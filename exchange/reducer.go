package exchange

import (
	"math"
	"slices"
	"sort"

	"github.com/textground/textground/proto"
)

// Outcome is what became of a value that was handed to a [Tree].
type Outcome uint8

// The outcomes of adding a value.
const (
	Kept      Outcome = iota // new, counted
	Duplicate                // the node's value is known and has the same bits
	Dropped                  // an ancestor's value is known, so this one is in it already
	Conflict                 // the node's value is known and has other bits: somebody computes wrongly
	Refused                  // no node of the tree, or another length than the values before
)

func (o Outcome) String() string {
	return [...]string{"kept", "duplicate", "dropped", "conflict", "refused"}[o]
}

// Float is the element type of a sum. Sums are taken in that type: float32 in float32.
type Float interface{ float32 | float64 }

// Tree adds up the lanes of one chunk of a vector along the fixed tree of [proto.Node]: always left + right, so the bits of
// the sum depend neither on the order in which values arrive nor on how the lanes are grouped into parts.
//
// The nodes held are disjoint subtrees: as soon as both children of a node are known they are replaced by their sum, and a
// value that comes in for a node replaces whatever was held below it. A Tree is for one goroutine at a time.
type Tree[T Float] struct {
	lanes  int
	length int       // of every value; -1 before the first
	held   []held[T] // disjoint, from left to right
	spare  *spare[T]
}

type held[T Float] struct {
	node   proto.Node
	values []T
}

// NewTree returns an empty sum over lanes lanes.
func NewTree[T Float](lanes int) *Tree[T] { return newTree(lanes, new(spare[T])) }

// newTree takes its buffers from spare and returns them there, so that the trees of a vector's chunks share buffers.
func newTree[T Float](lanes int, spare *spare[T]) *Tree[T] {
	return &Tree[T]{lanes: lanes, length: -1, spare: spare}
}

// Add hands in the sum over the lanes of n. The values are copied where they are kept.
func (t *Tree[T]) Add(n proto.Node, values []T) Outcome {
	if !n.Valid(t.lanes) || (t.length >= 0 && len(values) != t.length) {
		return Refused
	}
	from := sort.Search(len(t.held), func(i int) bool { return t.held[i].node.Hi > n.Lo })
	if from < len(t.held) && contains(t.held[from].node, n) {
		return t.held[from].compare(n, values)
	}
	t.length = len(values)
	to := from
	for to < len(t.held) && contains(n, t.held[to].node) {
		t.spare.give(t.held[to].values)
		to++
	}
	kept := held[T]{n, t.spare.take(len(values))}
	copy(kept.values, values)
	t.held = slices.Replace(t.held, from, to, kept)
	t.join(from)
	return Kept
}

// compare compares a value with the one that is held for the same node. Below a held node nothing is left to compare with.
func (have held[T]) compare(n proto.Node, values []T) Outcome {
	switch {
	case have.node != n:
		return Dropped
	case sameBits(have.values, values):
		return Duplicate
	}
	return Conflict
}

// join replaces the node at place i and its sibling by their parent while both are held.
func (t *Tree[T]) join(i int) {
	for {
		parent, ok := t.held[i].node.Parent(t.lanes)
		if !ok {
			return
		}
		left, right := parent.Children()
		if t.held[i].node == right {
			i--
		}
		if i < 0 || i+1 >= len(t.held) || t.held[i].node != left || t.held[i+1].node != right {
			return
		}
		addTo(t.held[i].values, t.held[i+1].values)
		t.spare.give(t.held[i+1].values)
		t.held[i].node = parent
		t.held = slices.Delete(t.held, i+1, i+2)
	}
}

// Sum returns the sum over all lanes; ok is false while lanes are missing. The values belong to the tree.
func (t *Tree[T]) Sum() (values []T, ok bool) {
	if len(t.held) != 1 || t.held[0].node != proto.Root(t.lanes) {
		return nil, false
	}
	return t.held[0].values, true
}

// Missing returns the lanes that no value covers yet, in order.
func (t *Tree[T]) Missing() []int { return t.uncovered(nil, proto.Root(t.lanes)) }

// uncovered appends the lanes of n that no value covers yet.
func (t *Tree[T]) uncovered(lanes []int, n proto.Node) []int {
	next := n.Lo
	from := sort.Search(len(t.held), func(i int) bool { return t.held[i].node.Hi > n.Lo })
	for _, h := range t.held[from:] {
		for ; next < min(h.node.Lo, n.Hi); next++ {
			lanes = append(lanes, next)
		}
		next = max(next, h.node.Hi)
	}
	for ; next < n.Hi; next++ {
		lanes = append(lanes, next)
	}
	return lanes
}

// release gives all buffers back; the tree is empty afterwards.
func (t *Tree[T]) release() {
	for _, h := range t.held {
		t.spare.give(h.values)
	}
	t.held = nil
}

func contains(outer, inner proto.Node) bool { return outer.Lo <= inner.Lo && inner.Hi <= outer.Hi }

// addTo sets left to left + right.
func addTo[T Float](left, right []T) {
	right = right[:len(left)]
	for i := range left {
		left[i] += right[i]
	}
}

// sameBits is equality of bit patterns: -0 differs from 0, and a NaN equals itself.
func sameBits[T Float](a, b []T) bool {
	for i := range a {
		if math.Float64bits(float64(a[i])) != math.Float64bits(float64(b[i])) {
			return false
		}
	}
	return true
}

// spare keeps buffers that a tree no longer needs for the next one. It is as safe as the tree that uses it: one goroutine
// at a time.
type spare[T Float] struct {
	free [][]T
	made int // values allocated so far, for the test of the memory bound
}

func (s *spare[T]) take(length int) []T {
	for i := len(s.free) - 1; i >= 0; i-- {
		if b := s.free[i]; cap(b) >= length {
			s.free = slices.Delete(s.free, i, i+1)
			return b[:length]
		}
	}
	s.made += length
	return make([]T, length)
}

func (s *spare[T]) give(b []T) { s.free = append(s.free, b) }
