package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Option adjusts what Open returns. Only s3:// stores have anything to adjust.
type Option func(*options)

type options struct {
	outage  time.Duration
	clock   Clock
	onRetry func(Retry)
}

// Retry is one call to a bucket that failed and will be made again after Wait.
type Retry struct {
	Operation, Key string
	Wait           time.Duration
	Err            error
}

// OnRetry has f called before every retry, so that nothing is retried silently. Calls may come from several goroutines.
func OnRetry(f func(Retry)) Option {
	return func(o *options) { o.onRetry = f }
}

// WithClock replaces the clock that retries wait by.
func WithClock(c Clock) Option {
	return func(o *options) { o.clock = c }
}

// Open opens the store at url: "file:///data/run", a plain path, "s3://bucket/prefix", or "mem://", which is always a new
// and empty one. A bucket is asked for once, so that a wrong name, key or endpoint is said here and not in the middle of
// a run; a directory is created by the first write.
func Open(ctx context.Context, url string, opts ...Option) (Store, error) {
	o := options{outage: time.Minute, clock: systemClock{}, onRetry: func(Retry) {}}
	for _, opt := range opts {
		opt(&o)
	}
	scheme, rest, found := strings.Cut(url, "://")
	switch {
	case url == "":
		return nil, fmt.Errorf("open store: no place given: name a directory, file://DIR or s3://BUCKET/PREFIX")
	case !found:
		return OpenDir(url)
	case scheme == "file" && rest != "":
		return OpenDir(rest)
	case scheme == "mem" && rest == "":
		return NewMem(), nil
	case scheme == "s3":
		return openBucket(ctx, rest, o)
	}
	return nil, fmt.Errorf("open store %q: not a place this program knows: name a directory, file://DIR or s3://BUCKET/PREFIX", url)
}
