package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/store"
)

// maxFetches bounds the shards that one cache fetches at the same time.
const maxFetches = 4

// shardCache gives out whole shards from a shelf near by, in memory or in a directory, which it fills from the store. No byte of
// a shard is given out before the whole shard had the digest of the index.
type shardCache struct {
	store  store.Store
	prefix string
	index  *Index
	shelf  shelf
	log    hclog.Logger
	slots  chan struct{} // holds a token for each fetch under way

	mu      sync.Mutex
	entries map[int]*cachedShard // by number in the index: the shards in use
}

// shelf is where a cache puts the shards: [memoryShelf] or [directoryShelf]. It keeps a budget of bytes, which the shards in use may
// pass; of the others, the one that was used longest ago goes first.
type shelf interface {
	// find opens a shard that lies here already; fs.ErrNotExist if it does not. checked says that this process has seen its digest.
	find(*Shard) (b book, checked bool, err error)
	// put makes room, lets fill write a shard to a draft, and opens it. What an earlier fill left unfinished may be in the draft.
	put(ctx context.Context, s *Shard, fill func(draft) error) (book, error)
	// remove forgets a shard that is not sound.
	remove(*Shard)
}

// book is a shard on a shelf. As long as it is open, the shard stays.
type book interface {
	io.ReaderAt
	Close() error
}

// draft is a shard being written. Reading begins at the first byte, writing goes on after the last.
type draft interface {
	io.ReadWriter
	discard() error
}

type cachedShard struct {
	shard *Shard
	users int // guarded by the cache's lock

	turn chan struct{} // holds a token for whoever loads or looks at the book
	book book          // nil until loaded
}

func newShardCache(st store.Store, prefix string, ix *Index, shelf shelf, log hclog.Logger) *shardCache {
	return &shardCache{store: st, prefix: prefix, index: ix, shelf: shelf, log: log, slots: make(chan struct{}, maxFetches), entries: map[int]*cachedShard{}}
}

// acquire returns a shard whose bytes are checked, loading it if need be. Callers release it.
func (c *shardCache) acquire(ctx context.Context, number int) (*cachedShard, error) {
	e := c.pin(number)
	if err := e.lock(ctx); err != nil {
		c.release(number, e)
		return nil, err
	}
	defer e.unlock()
	if e.book != nil {
		return e, nil
	}
	b, err := c.load(ctx, e.shard)
	if err != nil {
		c.release(number, e)
		return nil, err
	}
	e.book = b
	return e, nil
}

// lock waits for a turn: for as long as another goroutine fetches the shard.
func (e *cachedShard) lock(ctx context.Context) error {
	select {
	case e.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for shard %s: %w", e.shard.Name, ctx.Err())
	}
}

func (e *cachedShard) unlock() { <-e.turn }

func (c *shardCache) pin(number int) *cachedShard {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[number]
	if e == nil {
		e = &cachedShard{shard: &c.index.Shards[number], turn: make(chan struct{}, 1)}
		c.entries[number] = e
	}
	e.users++
	return e
}

// unpin reports whether nobody else uses the shard.
func (c *shardCache) unpin(number int, e *cachedShard) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.users--
	if e.users > 0 {
		return false
	}
	delete(c.entries, number)
	return true
}

func (c *shardCache) release(number int, e *cachedShard) {
	if c.unpin(number, e) && e.book != nil {
		_ = e.book.Close() // read only: nothing can be lost
	}
}

// read returns the bytes of one entry.
func (e *cachedShard) read(at span) ([]byte, error) {
	e.turn <- struct{}{}
	b := e.book
	e.unlock()
	data := make([]byte, at.length)
	if _, err := b.ReadAt(data, int64(at.offset)); err != nil {
		return nil, fmt.Errorf("reading shard %s from the cache at byte %d: %w", e.shard.Name, at.offset, err)
	}
	return data, nil
}

// recheck reads a shard in the cache again, and fetches it again if its bytes have changed, by a bad disk for instance.
func (c *shardCache) recheck(ctx context.Context, e *cachedShard) error {
	if err := e.lock(ctx); err != nil {
		return err
	}
	defer e.unlock()
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

// load takes a shard from the shelf, or fetches it.
func (c *shardCache) load(ctx context.Context, s *Shard) (book, error) {
	if b, checked, err := c.shelf.find(s); err == nil {
		if checked {
			return b, nil
		}
		unsound := checkBook(b, s)
		if unsound == nil {
			return b, nil
		}
		_ = b.Close()
		c.log.Warn("a shard in the cache is not sound and is fetched again", "shard", s.Name, "reason", unsound)
		c.shelf.remove(s)
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting to fetch shard %s: %w", s.Name, ctx.Err())
	}
	return c.shelf.put(ctx, s, func(d draft) error { return c.fetch(ctx, s, d) })
}

// fetch completes a draft. Wrong bytes are fetched once more from the first on, since the way here, or what lay here half fetched,
// may be to blame; twice wrong is an error.
func (c *shardCache) fetch(ctx context.Context, s *Shard, d draft) error {
	err := c.complete(ctx, s, d)
	if unsound := (*ShardError)(nil); !errors.As(err, &unsound) || errors.Is(err, store.ErrNotExist) {
		return err
	}
	c.log.Warn("a shard arrived unsound and is fetched again", "shard", s.Name, "reason", err)
	if err := d.discard(); err != nil {
		return fmt.Errorf("beginning shard %s again: %w", s.Name, err)
	}
	if err = c.complete(ctx, s, d); err != nil {
		_ = d.discard() // the error that counts is the one above
	}
	return err
}

// complete appends to a draft what it lacks, and compares the whole with the index. A download that breaks goes on where it broke
// for as long as every attempt brings bytes.
func (c *shardCache) complete(ctx context.Context, s *Shard, d draft) error {
	digest := sha256.New()
	have, err := io.Copy(digest, d)
	if err != nil {
		return fmt.Errorf("reading what there is of shard %s: %w", s.Name, err)
	}
	if have > 0 {
		c.log.Info("a download goes on where it was broken off", "shard", s.Name, "byte", have)
	}
	for have < s.Size {
		n, err := c.download(ctx, s, have, io.MultiWriter(d, digest))
		have += n
		switch {
		case err == nil && n == 0:
			return resizedShard(*s, have)
		case err != nil && (n == 0 || ctx.Err() != nil || errors.Is(err, errDraft)):
			return err
		case have < s.Size:
			c.log.Warn("a download broke off and goes on", "shard", s.Name, "byte", have, "reason", err)
		}
	}
	return judge(s, have, digest)
}

// errDraft marks failures to write on this machine, which no other download mends.
var errDraft = errors.New("writing it here")

// download copies a shard's bytes from an offset on, at most one more than there should be.
func (c *shardCache) download(ctx context.Context, s *Shard, offset int64, w io.Writer) (int64, error) {
	r, err := c.store.Get(ctx, objectKey(c.prefix, s.Name), offset, -1)
	if errors.Is(err, store.ErrNotExist) {
		return 0, missingShard(c.store, s.Name, err)
	}
	if err != nil {
		return 0, fmt.Errorf("fetching shard %s from byte %d: %w", s.Name, offset, err)
	}
	defer r.Close()
	n, err := io.Copy(markedWriter{w}, io.LimitReader(r, s.Size+1-offset))
	if err != nil {
		err = fmt.Errorf("fetching shard %s at byte %d: %w", s.Name, offset+n, err)
	}
	return n, err
}

// markedWriter tells the errors of writing from those of reading.
type markedWriter struct{ io.Writer }

func (w markedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		err = fmt.Errorf("%w: %w", errDraft, err)
	}
	return n, err
}

// checkBook compares a whole shard with the index.
func checkBook(b io.ReaderAt, s *Shard) error {
	digest := sha256.New()
	n, err := io.Copy(digest, io.NewSectionReader(b, 0, s.Size+1))
	if err != nil {
		return fmt.Errorf("reading shard %s at byte %d: %w", s.Name, n, err)
	}
	return judge(s, n, digest)
}

func judge(s *Shard, n int64, digest hash.Hash) error {
	if n != s.Size {
		return resizedShard(*s, n)
	}
	if got := hex.EncodeToString(digest.Sum(nil)); got != s.SHA256 {
		return &ShardError{Shard: s.Name, Rule: fmt.Sprintf("its bytes have the digest %s, the index says %s", got, s.SHA256),
			Mend: "restore it, or run textground data index if it was changed on purpose"}
	}
	return nil
}
