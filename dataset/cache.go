package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/store"
)

// maxFetches bounds the shards that one cache fetches at the same time.
const maxFetches = 4

// shardCache keeps whole shards near, in memory or in a directory, within a budget of bytes. No byte of a shard is given
// out before the whole shard had the digest of the index. The shards in use may pass the budget; the others go, the one
// that was used longest ago first.
type shardCache struct {
	store  store.Store
	prefix string
	index  *Index
	shelf  shelf
	budget int64
	log    hclog.Logger
	slots  chan struct{} // holds a token for each fetch under way

	mu      sync.Mutex
	entries map[int]*cachedShard // by number in the index
	used    int64
	uses    uint64
}

// shelf is where a cache puts the shards: [memoryShelf] or [directoryShelf].
type shelf interface {
	// find opens a shard that lies here already; fs.ErrNotExist if it does not. Its bytes are not checked.
	find(*Shard) (book, error)
	// put lets fill write a shard and opens it; nothing remains if fill fails.
	put(s *Shard, fill func(io.Writer) error) (book, error)
	// remove forgets a shard.
	remove(*Shard)
}

// book is a shard on a shelf.
type book interface {
	io.ReaderAt
	Close() error
}

type cachedShard struct {
	shard *Shard

	users   int    // guarded by the cache's lock; a shard with users stays
	lastUse uint64 // the same

	mu   sync.Mutex
	book book // nil until loaded
}

func newShardCache(st store.Store, prefix string, ix *Index, shelf shelf, budget int64, log hclog.Logger) *shardCache {
	return &shardCache{store: st, prefix: prefix, index: ix, shelf: shelf, budget: budget, log: log,
		slots: make(chan struct{}, maxFetches), entries: map[int]*cachedShard{}}
}

// acquire returns a shard whose bytes are checked, loading it if need be. Callers release it.
func (c *shardCache) acquire(ctx context.Context, number int) (*cachedShard, error) {
	e := c.pin(number)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.book != nil {
		return e, nil
	}
	b, err := c.load(ctx, e.shard)
	if err != nil {
		c.release(e)
		return nil, err
	}
	e.book = b
	return e, nil
}

func (c *shardCache) pin(number int) *cachedShard {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[number]
	if e == nil {
		e = &cachedShard{shard: &c.index.Shards[number]}
		c.entries[number] = e
		c.used += e.shard.Size
	}
	c.uses++
	e.users, e.lastUse = e.users+1, c.uses
	c.evict()
	return e
}

func (c *shardCache) release(e *cachedShard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.users--
	c.evict()
}

// evict drops unused shards until the budget is kept. The caller holds the lock.
func (c *shardCache) evict() {
	for c.used > c.budget {
		oldest := -1
		for number, e := range c.entries {
			if e.users == 0 && (oldest < 0 || e.lastUse < c.entries[oldest].lastUse) {
				oldest = number
			}
		}
		if oldest < 0 {
			return
		}
		e := c.entries[oldest]
		delete(c.entries, oldest)
		c.used -= e.shard.Size
		e.close()
		c.shelf.remove(e.shard)
	}
}

func (e *cachedShard) close() {
	if e.book != nil {
		_ = e.book.Close() // read only: nothing can be lost
		e.book = nil
	}
}

// adopt takes over the shards that an earlier process left on the shelf; they are checked when they are first used.
func (c *shardCache) adopt() {
	for number := range c.index.Shards {
		b, err := c.shelf.find(&c.index.Shards[number])
		if err != nil {
			continue
		}
		_ = b.Close()
		c.release(c.pin(number))
	}
}

// closeAll lets go of every shard. What lies in a directory stays for the next process.
func (c *shardCache) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		e.close()
	}
}

// read returns the bytes of one entry.
func (e *cachedShard) read(at span) ([]byte, error) {
	e.mu.Lock()
	b := e.book
	e.mu.Unlock()
	data := make([]byte, at.length)
	if _, err := b.ReadAt(data, int64(at.offset)); err != nil {
		return nil, fmt.Errorf("reading shard %s from the cache at byte %d: %w", e.shard.Name, at.offset, err)
	}
	return data, nil
}

// recheck reads a shard in the cache again, and fetches it again if its bytes have changed, by a bad disk for instance.
func (c *shardCache) recheck(ctx context.Context, e *cachedShard) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	unsound := checkBook(e.book, e.shard)
	if unsound == nil {
		return nil
	}
	c.log.Warn("a shard changed in the cache and is fetched again", "shard", e.shard.Name, "reason", unsound)
	c.shelf.remove(e.shard)
	b, err := c.load(ctx, e.shard)
	if err != nil {
		return err
	}
	e.book = b // the old one closes itself when the last reader has left it
	return nil
}

// load takes a shard from the shelf, or fetches it. Wrong bytes are fetched once more, since the way here may be to
// blame; twice wrong is an error.
func (c *shardCache) load(ctx context.Context, s *Shard) (book, error) {
	if b, err := c.shelf.find(s); err == nil {
		err := checkBook(b, s)
		if err == nil {
			return b, nil
		}
		_ = b.Close()
		c.log.Warn("a shard in the cache is not sound and is fetched again", "shard", s.Name, "reason", err)
		c.shelf.remove(s)
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting to fetch shard %s: %w", s.Name, ctx.Err())
	}
	b, err := c.fetch(ctx, s)
	if unsound := (*ShardError)(nil); errors.As(err, &unsound) && !errors.Is(err, store.ErrNotExist) {
		c.log.Warn("a shard arrived unsound and is fetched again", "shard", s.Name, "reason", err)
		b, err = c.fetch(ctx, s)
	}
	return b, err
}

func (c *shardCache) fetch(ctx context.Context, s *Shard) (book, error) {
	r, err := c.store.Get(ctx, objectKey(c.prefix, s.Name), 0, -1)
	if errors.Is(err, store.ErrNotExist) {
		return nil, missingShard(c.store, s.Name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("fetching shard %s: %w", s.Name, err)
	}
	defer r.Close()
	return c.shelf.put(s, func(w io.Writer) error { return copySound(w, r, s) })
}

func checkBook(b io.ReaderAt, s *Shard) error {
	return copySound(io.Discard, io.NewSectionReader(b, 0, s.Size+1), s)
}

// copySound copies a shard and compares its size and digest with the index.
func copySound(w io.Writer, r io.Reader, s *Shard) error {
	digest := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, digest), io.LimitReader(r, s.Size+1))
	if err != nil {
		return fmt.Errorf("copying shard %s at byte %d: %w", s.Name, n, err)
	}
	if n != s.Size {
		return resizedShard(*s, n)
	}
	if got := hex.EncodeToString(digest.Sum(nil)); got != s.SHA256 {
		return &ShardError{Shard: s.Name, Rule: fmt.Sprintf("its bytes have the digest %s, the index says %s", got, s.SHA256),
			Mend: "restore it, or run textground data index if it was changed on purpose"}
	}
	return nil
}
