package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/store"
)

// Summary is what a crawl has come to, all generations together: the last answer to each URL counts.
type Summary struct {
	Place       string         `json:"place"`
	Rows        int            `json:"rows"`     // in the list
	Done        int            `json:"done"`     // with an entry in a ledger
	Answered    int            `json:"answered"` // with a usable image
	Samples     int            `json:"samples"`  // in the index: duplicates are left out where that was asked for
	Shards      int            `json:"shards"`
	Generations int            `json:"generations"`
	Complete    bool           `json:"complete"` // every part of every generation is sealed
	Retryable   int            `json:"retryable"`
	Classes     map[Class]int  `json:"classes"`
	Fingerprint string         `json:"fingerprint,omitempty"` // of the index
	Counts      map[string]any `json:"counts,omitempty"`      // of the process that says this
}

// crawl is all that lies in a home: the newest plan, and every sealed ledger in order.
type crawl struct {
	plans   []*Plan
	ledgers []*Ledger
	sealed  bool // every part
	settled int  // ledgers of the generations that are done
}

func readCrawl(ctx context.Context, home store.Store) (*crawl, error) {
	newest, err := Newest(ctx, home)
	if err != nil {
		return nil, err
	}
	c := &crawl{}
	for generation := range newest.Generation + 1 {
		plan, err := readPlan(ctx, home, generation)
		if err != nil {
			return nil, err
		}
		c.plans = append(c.plans, plan)
		parts, err := sealedParts(ctx, home, generation)
		if err != nil {
			return nil, err
		}
		c.sealed = len(parts) == plan.Parts // a generation begins when the one before is done
		for _, part := range parts {
			ledger, err := readLedger(ctx, home, generation, part)
			if err != nil {
				return nil, err
			}
			c.ledgers = append(c.ledgers, ledger)
		}
		if c.sealed {
			c.settled = len(c.ledgers)
		}
	}
	return c, nil
}

// last returns the last entry of each row.
func (c *crawl) last() map[int]Entry {
	last := make(map[int]Entry, c.plans[0].Rows)
	for _, ledger := range c.ledgers {
		for _, entry := range ledger.Entries {
			last[entry.Row] = entry
		}
	}
	return last
}

func (c *crawl) summary(home store.Store) Summary {
	s := Summary{Place: home.String(), Rows: c.plans[0].Rows, Generations: len(c.plans), Complete: c.sealed, Classes: map[Class]int{}}
	for _, entry := range c.last() {
		s.Done++
		s.Classes[entry.Class]++
		if entry.Class.Retryable() {
			s.Retryable++
		}
	}
	s.Answered = s.Classes[Answered]
	return s
}

// Summarize says what a crawl has come to, sealed parts alone.
func Summarize(ctx context.Context, home store.Store) (Summary, error) {
	c, err := readCrawl(ctx, home)
	if err != nil {
		return Summary{}, err
	}
	return c.summary(home), nil
}

// WriteIndex writes the index of the shards that are sealed, so that they can be trained on; the crawl may still go on, and
// the next index then has another fingerprint. It leaves out duplicates of generations that are done, where the plan wants that,
// and, when everything is sealed, deletes shards that it does not name.
func WriteIndex(ctx context.Context, home store.Store) (*dataset.Index, Summary, error) {
	c, err := readCrawl(ctx, home)
	if err != nil {
		return nil, Summary{}, err
	}
	s := c.summary(home)
	var shards []dataset.Shard
	rest := c.ledgers
	if c.plans[0].Settings.Unique {
		if shards, err = unique(ctx, home, c.ledgers[:c.settled]); err != nil {
			return nil, s, err
		}
		rest = c.ledgers[c.settled:]
	}
	for _, ledger := range rest {
		if ledger.Shard != nil {
			shards = append(shards, *ledger.Shard)
		}
	}
	ix, err := dataset.WriteCrawlIndex(ctx, home, "", shards, &dataset.Crawl{Answered: s.Answered, Asked: s.Rows})
	if err != nil {
		return nil, s, err
	}
	s.Shards, s.Samples, s.Fingerprint = len(shards), ix.Samples(), ix.Fingerprint
	if duplicates := s.Answered - s.Samples; duplicates > 0 {
		s.Classes[Answered] -= duplicates
		s.Classes[Duplicate] = duplicates
	}
	if c.sealed {
		err = sweep(ctx, home, shards)
	}
	return ix, s, err
}

// Crawled reports whether home holds a crawl.
func Crawled(ctx context.Context, home store.Store) (bool, error) {
	_, err := home.Stat(ctx, planKey(0))
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// sweep deletes shards that the index does not name: of somebody who died before the ledger, or with duplicates.
func sweep(ctx context.Context, home store.Store, shards []dataset.Shard) error {
	named := map[string]bool{}
	for _, s := range shards {
		named[s.Name] = true
	}
	objects, err := home.List(ctx, "")
	if err != nil {
		return fmt.Errorf("looking for shards that nothing names: %w", err)
	}
	for _, o := range objects {
		if isOurShard(o.Key) && !named[o.Key] {
			if err := home.Delete(ctx, o.Key); err != nil {
				return fmt.Errorf("deleting a shard that nothing names: %w", err)
			}
		}
	}
	return nil
}
