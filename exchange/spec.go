package exchange

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/textground/textground/proto"
)

// ServeSpec answers every worker that asks what the run is: a worker on another machine knows an address, a run id and a
// secret, and learns the rest here. The returned function ends it.
func (b *Bus) ServeSpec(spec []byte) (cancel func(), err error) {
	sub, err := b.nc.Subscribe(proto.SpecSubject(b.run, "*"), func(m *nats.Msg) {
		if err := m.Respond(spec); err != nil {
			b.log.Warn("a worker's question what the run is stays open; it asks again", "error", err)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("offer the run's description: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // fails only on a connection that is gone
}

// askEvery is how often a worker asks that nobody answers.
const askEvery = 250 * time.Millisecond

// FetchSpec asks the coordinator what the run is, until ctx ends.
func (b *Bus) FetchSpec(ctx context.Context) ([]byte, error) {
	for {
		answer, err := b.nc.RequestWithContext(ctx, proto.SpecSubject(b.run, b.name), nil)
		if err == nil {
			return answer.Data, nil
		}
		if ctx.Err() != nil || !pause(ctx, askEvery) {
			return nil, fmt.Errorf("no coordinator of run %s answers at %s (%w); is the run id right, is it running?", b.run, b.nc.ConnectedUrlRedacted(), err)
		}
	}
}
