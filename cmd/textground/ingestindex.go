package main

import (
	"context"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/ingest"
	"github.com/textground/textground/store"
)

// indexOf indexes what an ingest has sealed by its ledgers, and shards of others by reading them.
func indexOf(ctx context.Context, st store.Store, prefix string, o dataset.IndexOptions) (*dataset.Index, dataset.IndexChanges, error) {
	home := store.WithPrefix(st, prefix)
	crawled, err := ingest.Crawled(ctx, home)
	if err != nil {
		return nil, dataset.IndexChanges{}, err
	}
	if !crawled {
		return dataset.UpdateIndex(ctx, st, prefix, o)
	}
	ix, _, err := ingest.WriteIndex(ctx, home)
	if err != nil {
		return nil, dataset.IndexChanges{}, err
	}
	return ix, dataset.IndexChanges{Kept: len(ix.Shards)}, nil
}
