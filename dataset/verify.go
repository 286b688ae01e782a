package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/store"
)

// VerifyReport says what Verify found.
type VerifyReport struct {
	Fingerprint string
	Shards      int            // sound and unsound
	Samples     int            // of the sound shards
	Bytes       int64          // of the sound shards
	BadShards   int            // lost, cut, changed or not as indexed
	BadSamples  map[string]int // by reason
	Skipped     map[string]int // entries that the index left out, by reason
}

// Sound reports whether a run can use every shard and every sample.
func (r VerifyReport) Sound() bool { return r.BadShards == 0 && len(r.BadSamples) == 0 }

// Verify reads a whole data set and decodes every image. found, which may be nil, hears of everything that is wrong, in the
// order of the index; progress, which may be nil, hears the number of shards done and of all. The error is about what kept
// Verify from looking: a store that does not answer, or no sound index.
func Verify(ctx context.Context, st store.Store, prefix string, found func(error), progress func(done, all int)) (VerifyReport, error) {
	data, err := readIndex(ctx, st, prefix)
	if err != nil {
		return VerifyReport{}, &IndexError{Place: placeOf(st, prefix), Rule: "it cannot be read", Err: err}
	}
	ix, err := decodeIndex(data)
	if err != nil {
		return VerifyReport{}, &IndexError{Place: placeOf(st, prefix), Rule: "it is not a sound index", Err: err}
	}
	v := verifier{
		cache:  newShardCache(st, prefix, ix, newShelf("", 0), hclog.NewNullLogger()),
		found:  found,
		report: VerifyReport{Fingerprint: ix.Fingerprint, BadSamples: map[string]int{}, Skipped: map[string]int{}},
	}
	for i := range ix.Shards {
		if err := v.shard(ctx, i); err != nil {
			return v.report, err
		}
		if progress != nil {
			progress(i+1, len(ix.Shards))
		}
	}
	return v.report, nil
}

type verifier struct {
	cache  *shardCache
	found  func(error)
	report VerifyReport
}

func (v *verifier) tell(err error) {
	if v.found != nil {
		v.found(err)
	}
}

// shard checks one shard: its bytes, what the index says about them, its samples.
func (v *verifier) shard(ctx context.Context, number int) error {
	v.report.Shards++
	e, err := v.cache.acquire(ctx, number)
	if unsound := (*ShardError)(nil); errors.As(err, &unsound) {
		v.report.BadShards++
		v.tell(err)
		return nil
	}
	if err != nil {
		return err
	}
	defer v.cache.release(number, e)
	if err := checkLine(e, v.cache.index.CaptionField); err != nil {
		v.report.BadShards++
		v.tell(err)
		return nil
	}
	v.report.Samples += e.shard.Samples
	v.report.Bytes += e.shard.Size
	for reason, n := range e.shard.Skipped {
		v.report.Skipped[reason] += n
	}
	return v.samples(ctx, e)
}

// checkLine scans a shard as if it were to be indexed and compares the outcome with the index.
func checkLine(e *cachedShard, field string) error {
	line, err := scanShard(io.NewSectionReader(e.book, 0, e.shard.Size), e.shard.Name, field)
	if err != nil {
		return err
	}
	if !bytes.Equal(shardLine(&line), shardLine(e.shard)) {
		return &ShardError{Shard: e.shard.Name, Rule: fmt.Sprintf("the index has %d samples at places where the shard has others", e.shard.Samples), Mend: "run textground data index"}
	}
	return nil
}

// samples decodes every sample on all cores and tells of the bad ones in their order.
func (v *verifier) samples(ctx context.Context, e *cachedShard) error {
	bad := make([]*badSample, e.shard.Samples)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for place := range bad {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("verifying shard %s: %w", e.shard.Name, err)
			}
			image, text, info, err := e.shard.entries(place, e.read)
			if err == nil {
				_, _, err = decodeSample(image, text, info, v.cache.index.CaptionField, DecodeImage)
			}
			if errors.As(err, &bad[place]) {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for place, b := range bad {
		if b != nil {
			v.report.BadSamples[b.reason]++
			v.tell(&ShardError{Shard: e.shard.Name, Sample: e.shard.key(place), Rule: "it cannot be used", Err: b})
		}
	}
	return nil
}
