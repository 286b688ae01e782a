package segment

import (
	"context"
	"fmt"
	"iter"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/store"
)

// Shards opens indexed shards whose samples have masks, such as held-out scenes written into a store. It returns the
// samples in the order of the index and how many there are.
func Shards(ctx context.Context, st store.Store, prefix string) (iter.Seq2[Sample, error], int, error) {
	ix, err := dataset.OpenIndex(ctx, st, prefix)
	if err != nil {
		return nil, 0, err
	}
	return func(yield func(Sample, error) bool) {
		for id := range dataset.SampleID(ix.Samples()) {
			if !yield(readShardSample(ctx, st, prefix, ix, id)) {
				return
			}
		}
	}, ix.Samples(), nil
}

func readShardSample(ctx context.Context, st store.Store, prefix string, ix *dataset.Index, id dataset.SampleID) (Sample, error) {
	place := ix.Name(id)
	raw, err := dataset.ReadSample(ctx, st, prefix, ix, id)
	if err != nil {
		return Sample{}, err
	}
	if raw.Mask == nil {
		return Sample{}, &SetError{place, "has no mask", "evaluate shards that hold label maps, such as those of: textground data world PREFIX --masks"}
	}
	image, err := dataset.DecodeImage(raw.Image)
	if err != nil {
		return Sample{}, fmt.Errorf("%s: %w", place, err)
	}
	truth, err := ReadLabels(raw.Mask)
	if err != nil {
		return Sample{}, &SetError{place, err.Error(), "the pixel values of a label map are the classes' numbers"}
	}
	return Sample{Name: place, Caption: raw.Caption, Image: image, Truth: truth}, nil
}
