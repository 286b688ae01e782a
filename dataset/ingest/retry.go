package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/textground/textground/store"
)

// ErrNothingToRetry says that no URL failed for a reason that may pass.
var ErrNothingToRetry = errors.New("no URL failed for a reason that may pass")

// Retry plans the next generation: the URLs whose last answer was a failure that may pass ([Class.Retryable]), in list order.
// A generation that is not done yet is returned as it is, to be gone on with.
func Retry(ctx context.Context, home store.Store) (*Plan, error) {
	c, err := readCrawl(ctx, home)
	if err != nil {
		return nil, err
	}
	newest := c.plans[len(c.plans)-1]
	if !c.sealed {
		if newest.Generation > 0 {
			return newest, nil
		}
		return nil, fmt.Errorf("the crawl in %s is not done; finish it first, with the command that began it", home)
	}
	last := c.last()
	next := *newest
	next.Generation, next.Rows, next.Parts = newest.Generation+1, 0, 0
	cut := cutter{home: home, plan: &next}
	for part := range c.plans[0].Parts {
		rows, err := c.plans[0].rows(ctx, home, part)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if !last[row.Number].Class.Retryable() {
				continue
			}
			if err := cut.add(ctx, row); err != nil {
				return nil, err
			}
		}
	}
	if next.Rows == 0 {
		return nil, ErrNothingToRetry
	}
	return &next, cut.finish(ctx)
}
