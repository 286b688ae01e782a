package dataset

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"
	"gorgonia.org/tensor"

	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/store"
)

// LoaderConfig says what a Loader reads and what it makes of it.
type LoaderConfig struct {
	Store     store.Store
	Prefix    string // where shards and index lie in the store
	Index     *Index
	Plan      *Plan // of this index
	Tokenizer *Tokenizer
	Augment   AugmentConfig
	JPEG      *JPEGDecoder // nil is Go's
	ImageSize int          // side of the images handed out, in pixels
	Seed      uint64       // of the augmentation

	CacheBytes int64  // shards are kept up to this many bytes
	CacheDir   string // as files in this directory; in memory if empty
	Ahead      int    // steps that Prefetch prepares
	Threads    int    // images decoded at the same time

	Log hclog.Logger
}

// Batch is what a lane computes on at a step. Several callers may have been given the same one: read it, never write it.
type Batch struct {
	Step, Lane int
	Images     *tensor.Dense // float32 [B, 3, ImageSize, ImageSize], normalised
	Tokens     [][]int32     // [B][context]
	IDs        []SampleID    // of the samples really used
	Captions   []string
}

// Loader makes batches. The batch of a step and a lane has the same bits whoever asks, in whatever order, on whatever
// machine: samples come from the plan, randomness from (seed, step, lane, image), and whether a sample is too bad to use
// depends on its bytes alone. Goroutines may share a Loader.
type Loader struct {
	cfg     LoaderConfig
	key     philox.Key
	cache   *shardCache
	ledger  *ledger
	slots   chan struct{} // holds a token for each image being decoded
	life    context.Context
	end     context.CancelFunc
	workers sync.WaitGroup // one for each batch being made

	mu       sync.Mutex
	closed   bool
	prepared map[laneStep]*preparation
	reading  bool // shards are being read ahead
}

type laneStep struct{ step, lane int }

// preparation is a batch being made, or made and not yet taken.
type preparation struct {
	done  chan struct{}
	batch *Batch
	err   error
}

var errClosed = errors.New("the loader is closed")

// NewLoader returns a Loader that the caller closes.
func NewLoader(cfg LoaderConfig) *Loader {
	l := &Loader{
		cfg: cfg, key: philox.NewKey(cfg.Seed, philox.Augment),
		cache:  newShardCache(cfg.Store, cfg.Prefix, cfg.Index, newShelf(cfg.CacheDir, cfg.CacheBytes), cfg.Log),
		ledger: newLedger(cfg.Index, cfg.Log), slots: make(chan struct{}, max(cfg.Threads, 1)), prepared: map[laneStep]*preparation{},
	}
	l.life, l.end = context.WithCancel(context.Background())
	if needed := cfg.Plan.windowBytes(); needed > cfg.CacheBytes {
		cfg.Log.Warn("the shard cache is smaller than one shuffle window: shards will be fetched again and again", "cache_bytes", cfg.CacheBytes, "window_bytes", needed)
	}
	return l
}

// Close stops what is being made and waits for it. Calls under way return an error.
func (l *Loader) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.end()
	l.workers.Wait()
}

// Batch returns the batch of a lane at a step, made now or ahead of time.
func (l *Loader) Batch(ctx context.Context, step, lane int) (*Batch, error) {
	l.forget(step)
	p, err := l.wait(ctx, laneStep{step, lane})
	if err != nil {
		return nil, err
	}
	l.drop(laneStep{step, lane}, p)
	return p.batch, nil
}

// Tokens returns the captions of a lane at a step as tokens: [B][context]. Whether a sample stands in for a bad one shows
// only when its image is decoded, so the whole batch is made here and kept for the call of Batch that follows.
func (l *Loader) Tokens(ctx context.Context, step, lane int) ([][]int32, error) {
	p, err := l.wait(ctx, laneStep{step, lane})
	if err != nil {
		return nil, err
	}
	return p.batch.Tokens, nil
}

// Prefetch starts making the batches of these lanes for the steps from step on, as many as the configuration says, and fetches the
// shards that come after them.
func (l *Loader) Prefetch(step int, lanes []int) {
	l.forget(step)
	for s := step; s < step+l.cfg.Ahead; s++ {
		for _, lane := range lanes {
			l.prepare(laneStep{s, lane})
		}
	}
	l.readAhead(step, lanes)
}

// readAhead brings the shards of the lanes' windows and of their next ones near, one after another, as far as the cache has room. A
// call while that goes on does nothing. What fails is left to whoever needs the shard.
func (l *Loader) readAhead(step int, lanes []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.reading {
		return
	}
	l.reading = true
	l.workers.Go(func() {
		for _, number := range l.cfg.Plan.upcoming(step, lanes, l.cfg.CacheBytes) {
			e, err := l.cache.acquire(l.life, number)
			if err != nil {
				break
			}
			l.cache.release(number, e)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.reading = false
	})
}

// BadSamples returns how many samples were found bad so far, by reason.
func (l *Loader) BadSamples() map[string]int { return l.ledger.reasons() }

// wait returns a batch when it is made. A failure is forgotten, so that the next call tries again; what failed ahead of
// time, perhaps long ago, is tried again at once.
func (l *Loader) wait(ctx context.Context, at laneStep) (*preparation, error) {
	for {
		p, fresh := l.prepare(at)
		select {
		case <-p.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the batch of step %d, lane %d: %w", at.step, at.lane, ctx.Err())
		}
		if p.err == nil {
			return p, nil
		}
		l.drop(at, p)
		if fresh {
			return nil, fmt.Errorf("making the batch of step %d, lane %d: %w", at.step, at.lane, p.err)
		}
	}
}

// prepare starts making a batch unless that has been done. It and readAhead are the places that start goroutines which
// outlive the call; Close waits for them.
func (l *Loader) prepare(at laneStep) (p *preparation, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.prepared[at]; p != nil {
		return p, false
	}
	p = &preparation{done: make(chan struct{})}
	if l.closed {
		p.err = errClosed
		close(p.done)
		return p, true
	}
	l.prepared[at] = p
	l.workers.Go(func() {
		p.batch, p.err = l.makeBatch(l.life, at.step, at.lane)
		close(p.done)
	})
	return p, true
}

// drop lets go of a preparation, unless another has taken its place.
func (l *Loader) drop(at laneStep, p *preparation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.prepared[at] == p {
		delete(l.prepared, at)
	}
}

// forget lets go of what was made and never taken, such as the batches of lanes that moved, once step is two steps on: the
// step before may still be under way when the next is looked ahead to.
func (l *Loader) forget(step int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at := range l.prepared {
		if at.step < step-1 {
			delete(l.prepared, at)
		}
	}
}

// makeBatch fills a batch, each sample into its own place.
func (l *Loader) makeBatch(ctx context.Context, step, lane int) (*Batch, error) {
	ids := l.cfg.Plan.Samples(step, lane)
	size := l.cfg.ImageSize
	values := 3 * size * size
	images := make([]float32, len(ids)*values)
	b := &Batch{Step: step, Lane: lane, Images: dense.Of(images, len(ids), 3, size, size),
		Tokens: make([][]int32, len(ids)), IDs: make([]SampleID, len(ids)), Captions: make([]string, len(ids))}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cap(l.slots))
	for i, id := range ids {
		g.Go(func() error {
			stream := func() *philox.Stream { return l.key.Stream(uint32(step), uint32(lane), uint32(i)) }
			s, err := l.pick(ctx, id, l.unpackerFor(stream))
			if err != nil {
				return err
			}
			b.IDs[i], b.Captions[i], b.Tokens[i] = s.id, s.caption, l.cfg.Tokenizer.Encode(s.caption)
			Augment(images[i*values:(i+1)*values], s.image, size, l.cfg.Augment, stream())
			recycle(s.image)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return b, nil
}

// unpackerFor decodes no more, and no finer, than the view needs that Augment will make with an equal stream.
func (l *Loader) unpackerFor(stream func() *philox.Stream) unpacker {
	needed := func(width, height int) portion {
		return chooseView(width, height, l.cfg.ImageSize, l.cfg.Augment, stream()).portion(width, height)
	}
	return func(data []byte) (*Image, error) { return l.cfg.JPEG.decode(DefaultDecodeLimits(), data, needed) }
}
