package exchange

import "github.com/textground/textground/proto"

// gathering is the bytes side of a round: what parts become. The round knows who sent what; a gathering knows values.
type gathering interface {
	partCut() cut    // how every part is cut into chunks
	reducedCut() cut // how the outcome is cut
	// add takes one chunk of a part of the right size. fresh are the lanes that had no value in this chunk before.
	add(n proto.Node, chunk int, values []byte) (fresh []int, o Outcome)
	// complete reports whether chunk of the outcome is there.
	complete(chunk int) bool
	// take appends the wire form of a complete chunk of the outcome and forgets it. ok is false where a value is not finite.
	take(dst []byte, chunk int) (wire []byte, ok bool)
}

// summing adds a vector up, every chunk in a tree of its own.
type summing[T Float] struct {
	cut
	trees   []*Tree[T] // nil once taken
	spare   *spare[T]
	scratch []T
	fresh   []int
}

func newSumming[T Float](lanes, length int, spare *spare[T]) *summing[T] {
	s := &summing[T]{cut: cutFor(length, typeOf[T]()), spare: spare}
	s.scratch = make([]T, min(length, s.each))
	for range s.chunks() {
		s.trees = append(s.trees, newTree(lanes, spare))
	}
	return s
}

func (s *summing[T]) partCut() cut    { return s.cut }
func (s *summing[T]) reducedCut() cut { return s.cut }

func (s *summing[T]) add(n proto.Node, chunk int, wire []byte) ([]int, Outcome) {
	tree := s.trees[chunk]
	if tree == nil {
		return nil, Dropped
	}
	lo, hi := s.of(chunk)
	readValues(s.scratch[:hi-lo], wire)
	s.fresh = tree.uncovered(s.fresh[:0], n)
	return s.fresh, tree.Add(n, s.scratch[:hi-lo])
}

func (s *summing[T]) complete(chunk int) bool {
	_, ok := s.trees[chunk].Sum()
	return ok
}

func (s *summing[T]) take(dst []byte, chunk int) ([]byte, bool) {
	sum, _ := s.trees[chunk].Sum()
	ok := finite(sum)
	dst = appendValues(dst, sum)
	s.trees[chunk].release()
	s.trees[chunk] = nil
	return dst, ok
}

// release gives the buffers of a round that ends before its sum back.
func (s *summing[T]) release() {
	for _, t := range s.trees {
		if t != nil {
			t.release()
		}
	}
}

// joining concatenates lanes: lane k's values are [k*each, (k+1)*each) of the outcome. Parts are single lanes.
type joining struct {
	part, whole cut
	wire        []byte
	in          [][]bool // lane, chunk of its part
	missing     int      // chunks of parts
	fresh       [1]int
}

func newJoining(lanes, each int) *joining {
	j := &joining{part: cutFor(each, float32s), whole: cutFor(lanes*each, float32s)}
	j.wire = make([]byte, 4*lanes*each)
	j.missing = lanes * j.part.chunks()
	for range lanes {
		j.in = append(j.in, make([]bool, j.part.chunks()))
	}
	return j
}

func (j *joining) partCut() cut    { return j.part }
func (j *joining) reducedCut() cut { return j.whole }

func (j *joining) add(n proto.Node, chunk int, wire []byte) ([]int, Outcome) {
	if !n.Leaf() {
		return nil, Refused
	}
	if j.in[n.Lo][chunk] {
		return nil, Dropped
	}
	lo, _ := j.part.of(chunk)
	copy(j.wire[4*(n.Lo*j.part.length+lo):], wire)
	j.in[n.Lo][chunk] = true
	j.missing--
	j.fresh[0] = n.Lo
	return j.fresh[:], Kept
}

// complete: lanes come in any order and are small, so the outcome is given out as a whole.
func (j *joining) complete(int) bool { return j.missing == 0 }

func (j *joining) take(dst []byte, chunk int) ([]byte, bool) {
	lo, hi := j.whole.of(chunk)
	values := make([]float32, hi-lo)
	readValues(values, j.wire[4*lo:4*hi])
	return append(dst, j.wire[4*lo:4*hi]...), finite(values)
}
