package dataset

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// countedIndex is an index of shards with nothing but sizes.
func countedIndex(counts ...int) *Index {
	ix := &Index{}
	for i, n := range counts {
		ix.Shards = append(ix.Shards, Shard{Name: ShardName(i), Samples: n, Size: int64(1000 * n)})
	}
	ix.number()
	return ix
}

type drawnPlan struct {
	counts                    []int
	seed                      uint64
	lanes, microBatch, window int
}

func drawPlan(t *rapid.T) drawnPlan {
	counts := rapid.SliceOfN(rapid.IntRange(0, 12), 1, 8).Draw(t, "counts")
	counts[0]++
	total := 0
	for _, n := range counts {
		total += n
	}
	return drawnPlan{counts, rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, total).Draw(t, "lanes"),
		rapid.IntRange(1, 9).Draw(t, "micro-batch"), rapid.IntRange(1, 30).Draw(t, "window")}
}

func (d drawnPlan) plan(t *rapid.T) *Plan {
	p, err := NewPlan(countedIndex(d.counts...), d.seed, d.lanes, d.microBatch, d.window)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// stream returns the first n positions of a lane, read step by step.
func stream(p *Plan, lane, n int) []SampleID {
	var ids []SampleID
	for step := 0; len(ids) < n; step++ {
		ids = append(ids, p.Samples(step, lane)...)
	}
	return ids[:n]
}

// Every epoch of a lane visits L samples, each once; the lanes together visit every sample, each once.
func TestEveryIDExactlyOnceAnEpoch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawPlan(t)
		p := d.plan(t)
		total := p.index.Samples()
		for epoch := range 3 {
			var all []SampleID
			for lane := range d.lanes {
				_, places := p.owned(lane)
				ids := stream(p, lane, (epoch+1)*places)[epoch*places:]
				if slices.Sort(ids); len(slices.Compact(slices.Clone(ids))) != places {
					t.Fatalf("epoch %d of lane %d repeats a sample: %v", epoch, lane, ids)
				}
				all = append(all, ids...)
			}
			slices.Sort(all)
			if all = slices.Compact(all); len(all) != total || all[0] != 0 || int(all[total-1]) != total-1 {
				t.Fatalf("epoch %d visits %d of %d samples", epoch, len(all), total)
			}
		}
	})
}

// The answer depends neither on the Plan that is asked nor on what it was asked before.
func TestPlanAnswersAlikeInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawPlan(t)
		a, b := d.plan(t), d.plan(t)
		questions := rapid.SliceOfN(rapid.IntRange(0, 60), 1, 20).Draw(t, "steps")
		var answers [][]SampleID
		for _, step := range questions {
			answers = append(answers, a.Samples(step, step%d.lanes))
		}
		for i := len(questions) - 1; i >= 0; i-- {
			if got := b.Samples(questions[i], questions[i]%d.lanes); !slices.Equal(got, answers[i]) {
				t.Fatalf("step %d: %v, then %v", questions[i], answers[i], got)
			}
		}
	})
}

// Samples are shuffled within windows of consecutive shards only: that is what bounds the shards a lane has open.
func TestWindowsBoundTheShards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawPlan(t)
		p := d.plan(t)
		o := p.order(rapid.IntRange(0, 5).Draw(t, "epoch"))
		if sorted := slices.Sorted(slices.Values(o.shards)); len(slices.Compact(sorted)) != len(d.counts) {
			t.Fatalf("the shards %v are no permutation", o.shards)
		}
		for w := range o.windows {
			shards := o.shards[o.opens[w]:o.opens[w+1]]
			samples := o.starts[w+1] - o.starts[w]
			if len(shards) > 1 && samples > d.window {
				t.Fatalf("window %d has %d samples of %d shards, more than %d", w, samples, len(shards), d.window)
			}
			for _, id := range o.shuffled(w) {
				if shard, _ := p.index.Locate(SampleID(id)); !slices.Contains(shards, shard) {
					t.Fatalf("window %d of shards %v has a sample of shard %d", w, shards, shard)
				}
			}
		}
	})
}

// The numbers of one plan, fixed: another order would be another run.
func TestPlanIsFrozen(t *testing.T) {
	p, err := NewPlan(countedIndex(4, 3, 5), 38, 2, 3, 8)
	if err != nil {
		t.Fatal(err)
	}
	var got []SampleID
	for step := range 3 {
		got = append(got, p.Samples(step, 0)...)
		got = append(got, p.Samples(step, 1)...)
	}
	want := []SampleID{5, 6, 1, 3, 9, 10, 2, 4, 0, 7, 8, 11, 1, 2, 0, 4, 7, 9}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestOtherSeedOtherEpochOtherOrder(t *testing.T) {
	ix := countedIndex(50, 50)
	a, _ := NewPlan(ix, 1, 1, 100, 100)
	b, _ := NewPlan(ix, 2, 1, 100, 100)
	if slices.Equal(a.Samples(0, 0), b.Samples(0, 0)) {
		t.Error("seeds 1 and 2 give one order")
	}
	if slices.Equal(a.Samples(0, 0), a.Samples(1, 0)) {
		t.Error("epochs 0 and 1 have one order")
	}
}

func TestPlanRefusesMoreLanesThanSamples(t *testing.T) {
	_, err := NewPlan(countedIndex(3, 2), 0, 6, 4, 100)
	if err == nil || !strings.Contains(err.Error(), "6 lanes over 5 samples") || !strings.Contains(err.Error(), "raise the micro-batch") {
		t.Errorf("got %v", err)
	}
}

func TestDescribe(t *testing.T) {
	p, err := NewPlan(countedIndex(10, 10, 10, 10), 1, 2, 5, 20)
	if err != nil {
		t.Fatal(err)
	}
	s := p.Describe(4) // 20 samples a lane: one epoch, one window of two shards
	if s.Samples != 40 || s.Epochs != 1 || s.OpenShards != 2 || s.ShuffleDistance != 7 || s.Bytes != 40_000 {
		t.Errorf("%+v", s)
	}
	for _, l := range s.Lanes {
		if l.Places != 20 || l.Shards != 2 || l.Bytes != 20_000 {
			t.Errorf("%+v", l)
		}
	}
	if s := p.Describe(8); s.Bytes != 80_000 || s.Epochs != 2 {
		t.Errorf("two epochs: %+v", s)
	}
}

func BenchmarkPlanSamples(b *testing.B) {
	counts := make([]int, 300)
	for i := range counts {
		counts[i] = 10_000
	}
	p, err := NewPlan(countedIndex(counts...), 1, 16, 64, 40_000)
	if err != nil {
		b.Fatal(err)
	}
	for i := range b.N {
		p.Samples(i%2000, i%16)
	}
}
