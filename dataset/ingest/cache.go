package ingest

import (
	"context"
	"sync"
	"time"
)

// cacheEntries bounds a cache. A full one forgets everything: that is as good as any other rule and needs no clock.
const cacheEntries = 20_000

// cache keeps answers by name for a while; whoever asks for a name that is being asked for waits for that answer.
type cache[T any] struct {
	life context.Context // of the process's crawl: an answer belongs to all who wait, not to the first
	find finder[T]

	mu      sync.Mutex
	answers map[string]*answer[T]
}

// finder finds an answer and says how long it holds.
type finder[T any] func(ctx context.Context, name string) (answer T, holds time.Duration, err error)

type answer[T any] struct {
	done  chan struct{}
	until time.Time
	value T
	err   error
}

func newCache[T any](life context.Context, find finder[T]) *cache[T] {
	return &cache[T]{life: life, find: find, answers: map[string]*answer[T]{}}
}

// get returns the answer for name. Errors are not kept.
func (c *cache[T]) get(ctx context.Context, name string) (T, error) {
	a := c.enter(name)
	select {
	case <-a.done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func (c *cache[T]) enter(name string) *answer[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.answers[name]; a != nil && (a.until.IsZero() || time.Now().Before(a.until)) {
		return a
	}
	if len(c.answers) >= cacheEntries {
		clear(c.answers)
	}
	a := &answer[T]{done: make(chan struct{})}
	c.answers[name] = a
	go c.fill(name, a)
	return a
}

func (c *cache[T]) fill(name string, a *answer[T]) {
	var holds time.Duration
	a.value, holds, a.err = c.find(c.life, name)
	c.mu.Lock()
	defer c.mu.Unlock()
	a.until = time.Now().Add(holds)
	if a.err != nil && c.answers[name] == a {
		delete(c.answers, name)
	}
	close(a.done)
}
