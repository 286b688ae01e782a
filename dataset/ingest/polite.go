package ingest

import (
	"context"
	"sync"
	"time"
)

// manners bound what one host sees of this process.
type manners struct {
	atOnce   int           // requests under way
	interval time.Duration // between the beginnings of two requests

	mu    sync.Mutex
	hosts map[string]*host
}

type host struct {
	slots chan struct{}
	users int       // callers that have or want a slot
	next  time.Time // when the next request may begin
}

func newManners(atOnce int, interval time.Duration) *manners {
	return &manners{atOnce: atOnce, interval: interval, hosts: map[string]*host{}}
}

// enter waits for a host's turn; delay is the time between two requests that the host itself asks for. After a nil error the
// caller calls leave.
func (m *manners) enter(ctx context.Context, name string, delay time.Duration) (leave func(), err error) {
	h := m.join(name)
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		m.part(name, h)
		return nil, ctx.Err()
	}
	leave = func() {
		<-h.slots
		m.part(name, h)
	}
	if wait := m.turn(h, max(m.interval, delay)); wait > 0 && !pause(ctx, wait) {
		leave()
		return nil, ctx.Err()
	}
	return leave, nil
}

func (m *manners) join(name string) *host {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.hosts[name]
	if h == nil {
		h = &host{slots: make(chan struct{}, m.atOnce)}
		m.hosts[name] = h
	}
	h.users++
	return h
}

// turn books the next beginning, an interval before the one after it, and returns how long it is until then.
func (m *manners) turn(h *host, interval time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	begin := h.next
	if begin.Before(now) {
		begin = now
	}
	h.next = begin.Add(interval)
	return begin.Sub(now)
}

// part forgets a host that nobody uses and whose pace is kept anyway; from time to time, all such hosts.
func (m *manners) part(name string, h *host) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h.users--
	now := time.Now()
	if h.users == 0 && h.next.Before(now) {
		delete(m.hosts, name)
	}
	if len(m.hosts) > cacheEntries {
		for name, h := range m.hosts {
			if h.users == 0 && h.next.Before(now) {
				delete(m.hosts, name)
			}
		}
	}
}
