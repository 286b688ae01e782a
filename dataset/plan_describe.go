package dataset

// PlanSummary says what a number of steps will read, before money is spent on it.
type PlanSummary struct {
	Samples         int     // D
	Epochs          float64 // passes over the data
	OpenShards      int     // most shards a lane has open at once
	ShuffleDistance float64 // mean distance, in places of the order, of samples that were neighbours in a shard
	Bytes           int64   // read by all lanes, if each fetches its shards for itself and none twice in a window
	Lanes           []LaneSummary
}

// LaneSummary is the part of one lane.
type LaneSummary struct {
	Lane   int
	Places int   // samples of an epoch that are the lane's own
	Shards int   // different shards opened
	Bytes  int64 // read, counting a shard again in every window that it is in
}

// Describe reckons what the first steps steps read. A window is counted whole as soon as a lane enters it.
func (p *Plan) Describe(steps int) PlanSummary {
	s := PlanSummary{Samples: p.index.Samples(), Epochs: float64(steps) * float64(p.microBatch*p.lanes) / float64(p.index.Samples())}
	for lane := range p.lanes {
		l := p.describeLane(steps, lane)
		s.Bytes += l.Bytes
		s.Lanes = append(s.Lanes, l)
	}
	s.OpenShards, s.ShuffleDistance = p.order(0).spread()
	return s
}

func (p *Plan) describeLane(steps, lane int) LaneSummary {
	start, places := p.owned(lane)
	s := LaneSummary{Lane: lane, Places: places}
	opened := map[int]bool{}
	positions := steps * p.microBatch
	for epoch := 0; epoch*places < positions; epoch++ {
		o := p.order(epoch)
		last := start + min(places, positions-epoch*places) - 1
		for w := o.windowOf(start); w <= o.windowOf(last); w++ {
			for _, shard := range o.shards[o.opens[w]:o.opens[w+1]] {
				opened[shard] = true
				s.Bytes += p.index.Shards[shard].Size
			}
		}
	}
	s.Shards = len(opened)
	return s
}

// windowBytes is the size of the shards that a lane may have open at once.
func (p *Plan) windowBytes() int64 {
	shards, _ := p.order(0).spread()
	var largest int64
	for _, s := range p.index.Shards {
		largest = max(largest, s.Size)
	}
	return int64(shards) * largest
}

// spread returns the most shards in a window and the mean distance of two places drawn from a window: (n+1)/3 for n places.
func (o *order) spread() (shards int, distance float64) {
	total := o.starts[len(o.windows)]
	for w := range o.windows {
		n := o.starts[w+1] - o.starts[w]
		shards = max(shards, o.opens[w+1]-o.opens[w])
		distance += float64(n) / float64(total) * float64(n+1) / 3
	}
	return shards, distance
}
