package exchange

import (
	"github.com/textground/textground/proto"
)

// roundKey names one exchange of one step.
type roundKey struct {
	step     int
	exchange proto.Exchange
}

// round is one exchange of one step at the hub: which lanes are in, what they add up to, and what is ready to be given out.
// It is pure: frames come in, answers go out.
type round struct {
	roundKey
	epoch uint64
	lanes int
	note  []byte

	gathering
	tails *Tree[float64]
	given map[proto.Node]*given

	left         []int // chunks in which a lane is missing
	lanesLeft    int
	messages     [][]byte // the reduced chunks below low, as they are sent
	low          int      // chunks that are reduced; those above are not
	nonFinite    []bool
	sumNonFinite bool
}

// given remembers who sent a node first and the checksums of what was sent, so that a second value can be compared with the
// first even when that one is long part of a sum.
type given struct {
	worker string
	crc    []uint32
	has    []bool
}

func newRound(key roundKey, epoch uint64, lanes int, g gathering, note []byte) *round {
	r := &round{roundKey: key, epoch: epoch, lanes: lanes, note: note, gathering: g,
		tails: NewTree[float64](lanes), given: map[proto.Node]*given{},
		left: make([]int, lanes), lanesLeft: lanes, nonFinite: make([]bool, lanes)}
	for k := range r.left {
		r.left[k] = g.partCut().chunks()
	}
	return r
}

// verdict is the round's answer to a part.
type verdict struct {
	status   status
	first    string // on differs: who sent the node first
	progress bool   // a lane is complete in every chunk now, a lane was flagged, or the outcome is complete
	ready    bool   // low has risen
}

// add takes one chunk of a part.
func (r *round) add(worker string, f *frame) verdict {
	switch {
	case !r.wellFormed(f):
		return verdict{status: badPart}
	case f.exchange != proto.Texts && f.chunk >= r.low+proto.WindowChunks:
		return verdict{status: full}
	}
	g := r.given[f.node]
	if g != nil && g.has[f.chunk] {
		if g.crc[f.chunk] != f.crc {
			return verdict{status: differs, first: g.worker}
		}
		return verdict{status: known}
	}
	fresh, outcome := r.gathering.add(f.node, f.chunk, f.values)
	switch outcome {
	case Refused:
		return verdict{status: badPart}
	case Kept:
	default:
		return verdict{status: known}
	}
	if g == nil {
		g = &given{worker, make([]uint32, f.chunks), make([]bool, f.chunks)}
		r.given[f.node] = g
	}
	g.crc[f.chunk], g.has[f.chunk] = f.crc, true
	v := verdict{status: accepted}
	v.progress = r.count(fresh)
	if f.chunk == f.chunks-1 {
		v.progress = r.end(f) || v.progress
	}
	v.ready = r.advance()
	v.progress = v.progress || r.complete()
	return v
}

// wellFormed reports whether a part's chunk has the shape that this round's parts have.
func (r *round) wellFormed(f *frame) bool {
	c := r.partCut()
	if f.kind != partFrame || f.dtype != typeFor(r.exchange) || !f.node.Valid(r.lanes) ||
		f.length != c.length || f.chunks != c.chunks() || f.chunk >= f.chunks {
		return false
	}
	lo, hi := c.of(f.chunk)
	trailer := 0
	if f.chunk == f.chunks-1 {
		trailer = partTrailerBytes(r.exchange, f.node)
	}
	return len(f.values) == (hi-lo)*f.dtype.size() && len(f.trailer) == trailer
}

// count notes that the lanes are in for one more chunk and reports whether one is complete now.
func (r *round) count(fresh []int) bool {
	before := r.lanesLeft
	for _, k := range fresh {
		r.left[k]--
		if r.left[k] == 0 {
			r.lanesLeft--
		}
	}
	return r.lanesLeft < before
}

// end reads what a part's last chunk says about its lanes and reports whether one was flagged.
func (r *round) end(f *frame) bool {
	tail, nonFinite := readPartTrailer(f.trailer, r.exchange, f.node)
	r.tails.Add(f.node, tail)
	for _, k := range nonFinite {
		r.nonFinite[k] = true
	}
	return len(nonFinite) > 0
}

// advance makes the messages of the chunks that are complete now and reports whether there were any. The last chunk bears
// the flags of all lanes, and comes last.
func (r *round) advance() bool {
	before := r.low
	c := r.reducedCut()
	for r.low < c.chunks() && r.gathering.complete(r.low) {
		r.low++
		r.messages = append(r.messages, r.message(r.low-1))
	}
	return r.low > before
}

// message takes a complete chunk of the outcome and makes the frame that gives it out.
func (r *round) message(chunk int) []byte {
	c := r.reducedCut()
	lo, hi := c.of(chunk)
	f := frame{kind: reducedFrame, exchange: r.exchange, dtype: typeFor(r.exchange), epoch: r.epoch, step: r.step,
		node: proto.Root(r.lanes), chunk: chunk, chunks: c.chunks(), low: r.low, length: c.length}
	if r.complete() {
		f.trailer = make([]byte, reducedTrailerBytes(r.exchange, r.lanes, r.note))
	}
	m := f.encodeHeader(make([]byte, 0, headerBytes+(hi-lo)*f.dtype.size()+len(f.trailer)+crcBytes))
	m, ok := r.take(m, chunk)
	r.sumNonFinite = r.sumNonFinite || !ok
	if r.complete() {
		m = appendReducedTrailer(m, r.losses(), r.flagged(), r.lanes, r.sumNonFinite, r.note)
	}
	return sealFrame(m)
}

// complete reports whether the whole outcome can be given out.
func (r *round) complete() bool { return r.low == r.reducedCut().chunks() }

// missing returns the lanes that are not in with every chunk.
func (r *round) missing() []int {
	var lanes []int
	for k, left := range r.left {
		if left > 0 {
			lanes = append(lanes, k)
		}
	}
	return lanes
}

func (r *round) flagged() []int {
	var lanes []int
	for k, bad := range r.nonFinite {
		if bad {
			lanes = append(lanes, k)
		}
	}
	return lanes
}

// losses is the summed tail of a complete round.
func (r *round) losses() []float64 {
	sum, _ := r.tails.Sum()
	return sum
}
