package worker

import "github.com/textground/textground/proto"

// partial is the sum over one node of the tree: a vector, the loss terms beside it, and the lanes that were not finite.
type partial[T float32 | float64] struct {
	node      proto.Node
	values    []T
	tail      []float64
	nonFinite []int
}

// accumulator adds up lanes along the sum tree as they come in rising order. It holds at most one vector a level.
type accumulator[T float32 | float64] struct {
	lanes int
	stack []partial[T]
	spare [][]T // buffers to use again
}

// push adds one lane, merging siblings, and returns the sum that now ends with this lane.
func (a *accumulator[T]) push(leaf partial[T]) *partial[T] {
	a.stack = append(a.stack, leaf)
	for len(a.stack) > 1 {
		left, right := &a.stack[len(a.stack)-2], &a.stack[len(a.stack)-1]
		parent, ok := right.node.Parent(a.lanes)
		if !ok || parent != (proto.Node{Lo: left.node.Lo, Hi: right.node.Hi}) {
			break
		}
		for i, v := range right.values {
			left.values[i] += v
		}
		for i, v := range right.tail {
			left.tail[i] += v
		}
		left.nonFinite = append(left.nonFinite, right.nonFinite...)
		left.node = parent
		a.spare = append(a.spare, right.values)
		a.stack = a.stack[:len(a.stack)-1]
	}
	return &a.stack[len(a.stack)-1]
}

// take removes the newest sum: its buffer belongs to the caller until give.
func (a *accumulator[T]) take() partial[T] {
	top := a.stack[len(a.stack)-1]
	a.stack = a.stack[:len(a.stack)-1]
	return top
}

// buffer returns a vector of n elements with any contents.
func (a *accumulator[T]) buffer(n int) []T {
	if k := len(a.spare); k > 0 && len(a.spare[k-1]) == n {
		b := a.spare[k-1]
		a.spare = a.spare[:k-1]
		return b
	}
	return make([]T, n)
}

// finite reports whether every element is a finite number: x-x is 0 for those alone.
func finite[T float32 | float64](values []T) bool {
	for _, v := range values {
		if v-v != 0 {
			return false
		}
	}
	return true
}
