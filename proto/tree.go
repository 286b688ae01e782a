package proto

import (
	"fmt"
	"math/bits"
	"slices"
)

// Node is a subtree of the sum tree: the lanes [Lo, Hi). Sums over lanes are always taken along this tree, so their bits
// do not depend on who computed which lane or in which order parts arrived (design.md section 1).
type Node struct{ Lo, Hi int }

// Root is the whole tree over lanes lanes.
func Root(lanes int) Node { return Node{0, lanes} }

// Leaf reports whether n is a single lane.
func (n Node) Leaf() bool { return n.Hi-n.Lo == 1 }

// Children splits n at Lo + the largest power of two below its width. It panics on a leaf.
func (n Node) Children() (left, right Node) {
	if n.Hi-n.Lo < 2 {
		panic(fmt.Sprintf("proto: lane node [%d,%d) has no children", n.Lo, n.Hi))
	}
	mid := n.Lo + 1<<(bits.Len(uint(n.Hi-n.Lo-1))-1)
	return Node{n.Lo, mid}, Node{mid, n.Hi}
}

// Valid reports whether n is a node of the tree over lanes lanes.
func (n Node) Valid(lanes int) bool {
	if n.Lo < 0 || n.Hi > lanes || n.Lo >= n.Hi {
		return false
	}
	at := Root(lanes)
	for at != n {
		if at.Leaf() {
			return false
		}
		left, right := at.Children()
		if n.Lo < left.Hi {
			at = left
		} else {
			at = right
		}
	}
	return true
}

// Parent returns the node above n in the tree over lanes lanes; ok is false for the root.
func (n Node) Parent(lanes int) (parent Node, ok bool) {
	at := Root(lanes)
	for at != n {
		parent, ok = at, true
		left, right := at.Children()
		if n.Lo < left.Hi {
			at = left
		} else {
			at = right
		}
	}
	return parent, ok
}

// Cover returns the largest subtrees that consist of the given lanes alone, from left to right: the parts that a worker
// with these lanes sends. Lanes may come in any order.
func Cover(held []int, lanes int) []Node {
	has := make([]bool, lanes)
	for _, k := range held {
		has[k] = true
	}
	return cover(nil, Root(lanes), has)
}

func cover(parts []Node, n Node, has []bool) []Node {
	if !slices.Contains(has[n.Lo:n.Hi], true) {
		return parts
	}
	if !slices.Contains(has[n.Lo:n.Hi], false) {
		return append(parts, n)
	}
	left, right := n.Children()
	return cover(cover(parts, left, has), right, has)
}
