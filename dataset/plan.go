package dataset

import (
	"fmt"
	"math"
	"sort"
	"sync"

	"github.com/textground/textground/internal/philox"
)

// Plan says which samples a lane has at a step. It is pure: (index, seed, lanes, micro-batch, window) fix every answer, on
// every machine, whoever asks first. Goroutines may share it.
//
// Each epoch has one order of the D samples: the shards permuted, then the samples shuffled inside windows of consecutive
// shards. Lane k of V owns the places [floor(kD/V), floor((k+1)D/V)) of every order. Its position q = step*B + i lies in
// epoch q div L at offset q mod L, where L is the number of places it owns: epochs run on through steps, nothing is
// dropped, and every place of a lane is visited once an epoch.
type Plan struct {
	index      *Index
	key        philox.Key
	lanes      int // V
	microBatch int // B
	window     int // most samples in a window, unless it is one shard

	mu     sync.Mutex
	orders map[int]*order
}

// keptOrders is the number of epochs whose orders are kept: lanes of L and L+1 places are an epoch apart at most now and
// then, and whoever looks ahead needs the next.
const keptOrders = 4

// NewPlan plans batches of microBatch samples for each of lanes lanes. window bounds how many samples are shuffled
// together, and so how many shards a lane has open.
func NewPlan(ix *Index, seed uint64, lanes, microBatch, window int) (*Plan, error) {
	d := ix.Samples()
	switch {
	case lanes < 1 || microBatch < 1 || window < 1:
		return nil, fmt.Errorf("planning %d lanes of %d samples with a shuffle window of %d: each must be at least 1", lanes, microBatch, window)
	case d < lanes:
		return nil, fmt.Errorf("planning %d lanes over %d samples: every lane needs a sample of its own; add data, or raise the micro-batch so that the batch has fewer lanes", lanes, d)
	case d > math.MaxUint32:
		return nil, fmt.Errorf("planning over %d samples: at most %d are supported; split the data set", d, uint32(math.MaxUint32))
	}
	return &Plan{index: ix, key: philox.NewKey(seed, philox.Shuffle), lanes: lanes, microBatch: microBatch, window: window, orders: map[int]*order{}}, nil
}

// Samples returns the B sample ids of a lane at a step.
func (p *Plan) Samples(step, lane int) []SampleID {
	if step < 0 || lane < 0 || lane >= p.lanes {
		panic(fmt.Sprintf("dataset: step %d, lane %d of %d", step, lane, p.lanes))
	}
	start, places := p.owned(lane)
	ids := make([]SampleID, p.microBatch)
	for i := range ids {
		q := step*p.microBatch + i
		ids[i] = p.order(q / places).at(start + q%places)
	}
	return ids
}

// owned returns the first place of a lane and how many it has.
func (p *Plan) owned(lane int) (start, places int) {
	d := p.index.Samples()
	start = lane * d / p.lanes
	return start, (lane+1)*d/p.lanes - start
}

// upcoming lists the shards that lanes read from a step on, in the order in which they come to need them, each once and up to budget
// bytes: those of the windows they are in, then of the next ones. The next windows of all lanes come before the ones after.
func (p *Plan) upcoming(step int, lanes []int, budget int64) []int {
	var out []int
	seen := map[int]bool{}
	for ahead := range 2 {
		for _, lane := range lanes {
			for _, shard := range p.windowShards(step, lane, ahead) {
				if seen[shard] {
					continue
				}
				if budget -= p.index.Shards[shard].Size; budget < 0 {
					return out
				}
				seen[shard] = true
				out = append(out, shard)
			}
		}
	}
	return out
}

// windowShards returns the shards of the window that a lane is in at a step, or of the ahead-th after it.
func (p *Plan) windowShards(step, lane, ahead int) []int {
	start, places := p.owned(lane)
	position := step * p.microBatch
	epoch := position / places
	o := p.order(epoch)
	w := o.windowOf(start+position%places) + ahead
	if last := o.windowOf(start + places - 1); w > last {
		o = p.order(epoch + 1)
		w = min(o.windowOf(start)+w-last-1, len(o.windows)-1)
	}
	return o.shards[o.opens[w]:o.opens[w+1]]
}

// order returns the order of an epoch, making it if need be. Of the kept ones the farthest in time gives way.
func (p *Plan) order(epoch int) *order {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.orders[epoch]; o != nil {
		return o
	}
	if len(p.orders) == keptOrders {
		farthest := epoch
		for e := range p.orders {
			if distance := abs(e - epoch); distance > abs(farthest-epoch) || distance == abs(farthest-epoch) && e < farthest {
				farthest = e
			}
		}
		delete(p.orders, farthest)
	}
	o := p.newOrder(epoch)
	p.orders[epoch] = o
	return o
}

func abs(v int) int { return max(v, -v) }

// order is the order of one epoch. Its windows are shuffled when they are first needed, so that a worker pays for its own
// lanes only; a whole epoch takes four bytes a sample.
type order struct {
	index  *Index
	key    philox.Key
	epoch  uint32
	shards []int // permuted
	opens  []int // opens[w] is the place in shards where window w begins; one more entry closes the last
	starts []int // starts[w] is the number of samples before window w; one more entry holds the sum

	mu      sync.Mutex
	windows [][]uint32 // the shuffled sample ids of a window, or nil
}

// newOrder permutes the shards and cuts them into windows: as many consecutive shards as fit, at least one.
func (p *Plan) newOrder(epoch int) *order {
	o := &order{index: p.index, key: p.key, epoch: uint32(epoch)}
	o.shards = p.key.Stream(o.epoch, 0, 0).Perm(len(p.index.Shards))
	sum, inWindow := 0, 0
	for i, shard := range o.shards {
		samples := p.index.Shards[shard].Samples
		if i == 0 || inWindow+samples > p.window {
			o.opens, o.starts = append(o.opens, i), append(o.starts, sum)
			inWindow = 0
		}
		sum, inWindow = sum+samples, inWindow+samples
	}
	o.windows = make([][]uint32, len(o.opens))
	o.opens, o.starts = append(o.opens, len(o.shards)), append(o.starts, sum)
	return o
}

// at returns the sample at a place of the order.
func (o *order) at(place int) SampleID {
	w := o.windowOf(place)
	return SampleID(o.shuffled(w)[place-o.starts[w]])
}

// windowOf finds the window of a place; empty windows, of shards without samples, hold none.
func (o *order) windowOf(place int) int { return sort.SearchInts(o.starts, place+1) - 1 }

func (o *order) shuffled(w int) []uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.windows[w] == nil {
		o.windows[w] = o.shuffle(w)
	}
	return o.windows[w]
}

// shuffle lists the samples of a window's shards and permutes them with a stream of the window's own: lane w+1, since 0
// permutes the shards.
func (o *order) shuffle(w int) []uint32 {
	ids := make([]uint32, 0, o.starts[w+1]-o.starts[w])
	for _, shard := range o.shards[o.opens[w]:o.opens[w+1]] {
		for place := range o.index.Shards[shard].Samples {
			ids = append(ids, uint32(o.index.ID(shard, place)))
		}
	}
	r := o.key.Stream(o.epoch, uint32(w)+1, 0)
	for i := len(ids) - 1; i > 0; i-- {
		j := r.Intn(i + 1)
		ids[i], ids[j] = ids[j], ids[i]
	}
	return ids
}
