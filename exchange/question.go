package exchange

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/textground/textground/proto"
)

// ServeQuestions answers the questions that identities ask of the leader of their run: answer gets the name of who asks,
// and its question; with a nil answer the question stays open here, for others. The returned function ends it.
func (b *Bus) ServeQuestions(answer func(name string, question []byte) ([]byte, error)) (cancel func(), err error) {
	sub, err := b.nc.Subscribe(proto.QuestionSubject(b.run, "*"), func(m *nats.Msg) {
		reply, err := answer(nameIn(m.Subject), m.Data)
		if err != nil {
			b.bad.Add(1)
			b.log.Warn("question dropped", "subject", m.Subject, "bytes", len(m.Data), "error", err)
			return
		}
		if reply == nil {
			return
		}
		if err := m.Respond(reply); err != nil {
			b.log.Warn("a question stays open; it is asked again", "subject", m.Subject, "error", err)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("answering questions: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // fails only on a connection that is gone
}

// Ask asks the leader once, until ctx ends.
func (b *Bus) Ask(ctx context.Context, question []byte) ([]byte, error) {
	m, err := b.nc.RequestWithContext(ctx, proto.QuestionSubject(b.run, b.name), question)
	if err != nil {
		return nil, fmt.Errorf("asking the leader at %s: %w", b.nc.ConnectedUrlRedacted(), err)
	}
	return m.Data, nil
}
