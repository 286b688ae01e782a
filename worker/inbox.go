package worker

import (
	"sync"

	"github.com/textground/textground/proto"
)

// inbox keeps the newest orders and wakes the worker. Older epochs and sequence numbers are dropped, so a late or
// repeated message does nothing.
type inbox struct {
	mu     sync.Mutex
	latest *proto.Orders
	wake   chan struct{}
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

func (b *inbox) put(o *proto.Orders) {
	b.mu.Lock()
	if b.latest == nil || o.Epoch > b.latest.Epoch || o.Epoch == b.latest.Epoch && o.Sequence > b.latest.Sequence {
		b.latest = o
	}
	b.mu.Unlock()
	b.nudge()
}

// nudge wakes the worker's loop: something it may wait for has happened.
func (b *inbox) nudge() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *inbox) orders() *proto.Orders {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.latest
}
