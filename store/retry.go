package store

import (
	"context"
	"fmt"
	"time"
)

const (
	firstWait = 100 * time.Millisecond
	longWait  = 5 * time.Second

	// A call may take callBase and as long as its bytes need at floorBytesPerSecond. A server that accepts and never
	// answers is given up after that, not after minio-go's ten minutes.
	callBase            = 20 * time.Second
	floorBytesPerSecond = 256 << 10
)

// call is one operation on one object, for deadlines and messages.
type call struct {
	operation, key string
	bytes          int64
}

func (c call) limit() time.Duration {
	return callBase + time.Duration(c.bytes)*time.Second/floorBytesPerSecond
}

// ride makes a call until it succeeds, fails for good, or has failed for the length of an outage.
func (o options) ride(ctx context.Context, c call, once func(context.Context) error) error {
	start := o.clock.Now()
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		err := within(ctx, c.limit(), once)
		if err == nil || ctx.Err() != nil || !passing(err) {
			return err
		}
		if tried := o.clock.Now().Sub(start); tried+wait > o.outage {
			return fmt.Errorf("given up after trying for %s: %w", tried.Round(time.Second), err)
		}
		o.onRetry(Retry{Operation: c.operation, Key: c.key, Wait: wait, Err: err})
		if err := o.clock.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// within gives one try its deadline and says so when that is what ended it.
func within(ctx context.Context, limit time.Duration, once func(context.Context) error) error {
	try, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	err := once(try)
	if err != nil && try.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", context.Cause(try), err)
	}
	return err
}
