package cliptrain

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/store"
)

// Set is a data set in memory, the images as compressed as in the shards.
type Set struct {
	pairs []pair
	easy  []int // places of the pairs that training begins with
}

type pair struct {
	image    []byte
	tokens   []int32
	concepts []bool // which phrases of Recipe.Concepts the caption has
}

// maxSetBytes bounds the compressed images of a set: one process holds them all.
const maxSetBytes = 4 << 30

// readers is how many samples are fetched at a time.
const readers = 8

// ReadSet reads all pairs under the recipe's prefix. Samples that cannot be used are named in the log and left out.
func ReadSet(ctx context.Context, st store.Store, r *Recipe, tokenizer *dataset.Tokenizer, log hclog.Logger) (*Set, error) {
	ix, err := dataset.OpenIndex(ctx, st, r.Data.Shards)
	if err != nil {
		return nil, err
	}
	if ix.Bytes() > maxSetBytes {
		return nil, fmt.Errorf("data set %s/%s: %d bytes, but pre-training holds the set in memory, up to %d; take fewer shards", st, r.Data.Shards, ix.Bytes(), int64(maxSetBytes))
	}
	samples := make([]dataset.Sample, ix.Samples())
	bad := make([]error, len(samples))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range samples {
		g.Go(func() (err error) {
			if samples[i], err = dataset.ReadSample(ctx, st, r.Data.Shards, ix, dataset.SampleID(i)); err != nil {
				return err
			}
			_, bad[i] = dataset.DecodeImage(samples[i].Image)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	s := &Set{}
	for i, sample := range samples {
		if bad[i] != nil {
			log.Warn("sample left out", "sample", ix.Name(dataset.SampleID(i)), "reason", bad[i])
			continue
		}
		s.add(r, tokenizer, sample)
	}
	return s, s.check(r)
}

func (s *Set) add(r *Recipe, tokenizer *dataset.Tokenizer, sample dataset.Sample) {
	words := wordsOf(sample.Caption)
	p := pair{image: sample.Image, tokens: tokenizer.Encode(sample.Caption), concepts: make([]bool, len(r.Concepts.Phrases))}
	for i, phrase := range r.Concepts.Phrases {
		p.concepts[i] = words[lastWord(phrase)]
	}
	hard := false
	for _, w := range r.Easy.Without {
		hard = hard || words[w]
	}
	if !hard {
		s.easy = append(s.easy, len(s.pairs))
	}
	s.pairs = append(s.pairs, p)
}

func (s *Set) check(r *Recipe) error {
	if len(s.pairs) < r.Batch {
		return fmt.Errorf("data set %s: %d usable pairs, but a batch has %d; add data or lower batch", r.Data.Shards, len(s.pairs), r.Batch)
	}
	if r.Easy.Steps > 0 && len(s.easy) < r.Batch {
		return fmt.Errorf("data set %s: %d captions have none of the words of easy.without, but a batch has %d; set easy.steps to 0 or name fewer words", r.Data.Shards, len(s.easy), r.Batch)
	}
	return nil
}

func wordsOf(caption string) map[string]bool {
	words := map[string]bool{}
	for _, w := range strings.Fields(strings.ToLower(caption)) {
		words[strings.Trim(w, ".,;:!?\"'()")] = true
	}
	return words
}

func lastWord(phrase string) string { return phrase[strings.LastIndexByte(phrase, ' ')+1:] }
