package exchange

import (
	"slices"

	"github.com/textground/textground/proto"
)

// SumSubtree adds up the lanes of n, each given by lane, in the order of the tree: what a worker sends for n. The lanes are
// not changed and the result is a new slice.
func SumSubtree[T Float](n proto.Node, lane func(k int) []T) []T {
	if n.Leaf() {
		return slices.Clone(lane(n.Lo))
	}
	left, right := n.Children()
	sum := SumSubtree(left, lane)
	if right.Leaf() {
		addTo(sum, lane(right.Lo))
	} else {
		addTo(sum, SumSubtree(right, lane))
	}
	return sum
}

// Held is the memory in bytes that parts and outcomes take now.
func (h *Hub) Held() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	bytes := 0
	for _, r := range h.rounds {
		switch g := r.gathering.(type) {
		case *summing[float32]:
			bytes += g.held()
		case *summing[float64]:
			bytes += g.held()
		case *joining:
			bytes += len(g.wire)
		}
		for _, m := range r.messages {
			bytes += len(m)
		}
	}
	return bytes
}

func (s *summing[T]) held() int {
	bytes := 0
	for _, t := range s.trees {
		if t != nil {
			bytes += len(t.held) * t.length * typeOf[T]().size()
		}
	}
	return bytes
}
