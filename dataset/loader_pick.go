package dataset

import (
	"context"
	"errors"
	"fmt"
)

// picked is a decoded sample: the one that was asked for, or its stand-in.
type picked struct {
	id      SampleID
	image   *Image
	caption string
}

// unpacker decodes the image of a sample for the view that will be made of it.
type unpacker func([]byte) (*Image, error)

// pick decodes sample id. If it is bad, the next good one of the same shard stands in for it, going round at the end.
func (l *Loader) pick(ctx context.Context, id SampleID, unpack unpacker) (picked, error) {
	number, first := l.cfg.Index.Locate(id)
	e, err := l.cache.acquire(ctx, number)
	if err != nil {
		return picked{}, err
	}
	defer l.cache.release(number, e)
	for i := range e.shard.Samples {
		s, err := l.judge(ctx, e, l.cfg.Index.ID(number, (first+i)%e.shard.Samples), unpack)
		if bad := (*badSample)(nil); errors.As(err, &bad) {
			continue
		}
		return s, err
	}
	return picked{}, &ShardError{Shard: e.shard.Name, Rule: fmt.Sprintf("none of its %d samples can be used", e.shard.Samples), Mend: "look at it with textground data verify, then leave it out and run textground data index"}
}

// judge decodes one sample, or returns a *badSample after noting it. The shard's bytes are checked once more and decoded
// again before a sample is condemned: a cache that changed must not look like bad data.
func (l *Loader) judge(ctx context.Context, e *cachedShard, id SampleID, unpack unpacker) (picked, error) {
	if bad := l.ledger.verdict(id); bad != nil {
		return picked{}, bad
	}
	s, err := l.decode(ctx, e, id, unpack)
	bad := (*badSample)(nil)
	if errors.As(err, &bad) {
		if err := l.cache.recheck(ctx, e); err != nil {
			return picked{}, err
		}
		s, err = l.decode(ctx, e, id, unpack)
	}
	if err != nil && !errors.As(err, &bad) {
		return picked{}, err
	}
	if tooMany := l.ledger.note(id, err); tooMany != nil {
		return picked{}, tooMany
	}
	return s, err
}

// decode reads and decodes one sample while it holds one of the slots.
func (l *Loader) decode(ctx context.Context, e *cachedShard, id SampleID, unpack unpacker) (picked, error) {
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-ctx.Done():
		return picked{}, fmt.Errorf("waiting to decode %s: %w", l.cfg.Index.Name(id), ctx.Err())
	}
	_, place := l.cfg.Index.Locate(id)
	image, text, info, err := e.shard.entries(place, e.read)
	if err != nil {
		return picked{}, err
	}
	img, caption, err := decodeSample(image, text, info, l.cfg.Index.CaptionField, unpack)
	return picked{id, img, caption}, err
}
