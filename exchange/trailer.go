package exchange

import (
	"errors"

	"github.com/textground/textground/proto"
)

// tailLen is the number of float64 that travel behind the values of an exchange: the gradients' loss terms.
func tailLen(x proto.Exchange) int {
	if x == proto.Gradients {
		return proto.LossTerms
	}
	return 0
}

// typeFor is the element type of an exchange.
func typeFor(x proto.Exchange) dtype {
	if x == proto.Columns {
		return float64s
	}
	return float32s
}

// partTrailer follows the values in a part's last chunk: the tail, then one bit a lane of n that is set where the lane's
// values were not finite.
func partTrailer(tail []float64, nonFinite []int, n proto.Node) []byte {
	return appendLanes(appendValues(nil, tail), nonFinite, n)
}

func partTrailerBytes(x proto.Exchange, n proto.Node) int { return 8*tailLen(x) + laneBytes(n) }

// readPartTrailer is the reverse, for a trailer of the right length.
func readPartTrailer(trailer []byte, x proto.Exchange, n proto.Node) (tail []float64, nonFinite []int) {
	tail = make([]float64, tailLen(x))
	readValues(tail, trailer)
	return tail, readLanes(trailer[8*len(tail):], n)
}

// maxNote bounds the note that travels with a step's reduced vectors.
const maxNote = 2048

// appendReducedTrailer appends what follows the values in the last chunk of a reduced vector: the summed tail, the bits of all
// lanes, whether the sum is not finite, and the step's note.
func appendReducedTrailer(dst []byte, tail []float64, nonFinite []int, lanes int, sumNonFinite bool, note []byte) []byte {
	dst = appendLanes(appendValues(dst, tail), nonFinite, proto.Root(lanes))
	flag := byte(0)
	if sumNonFinite {
		flag = 1
	}
	return append(append(dst, flag), note...)
}

func reducedTrailerBytes(x proto.Exchange, lanes int, note []byte) int {
	return 8*tailLen(x) + laneBytes(proto.Root(lanes)) + 1 + len(note)
}

var errTrailer = errors.New("the reduced vector's trailer is cut short")

func readReducedTrailer(t []byte, x proto.Exchange, lanes int, into *Reduced) error {
	root := proto.Root(lanes)
	fixed := reducedTrailerBytes(x, lanes, nil)
	if len(t) < fixed {
		return errTrailer
	}
	into.Tail, into.NonFinite = readPartTrailer(t, x, root)
	into.SumNonFinite = t[fixed-1] != 0
	into.Note = append([]byte(nil), t[fixed:]...)
	return nil
}

func laneBytes(n proto.Node) int { return (n.Hi - n.Lo + 7) / 8 }

func appendLanes(dst []byte, lanes []int, n proto.Node) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, laneBytes(n))...)
	for _, k := range lanes {
		dst[at+(k-n.Lo)/8] |= 1 << ((k - n.Lo) % 8)
	}
	return dst
}

func readLanes(bits []byte, n proto.Node) []int {
	var lanes []int
	for k := n.Lo; k < n.Hi; k++ {
		if i := k - n.Lo; bits[i/8]&(1<<(i%8)) != 0 {
			lanes = append(lanes, k)
		}
	}
	return lanes
}
