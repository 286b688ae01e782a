package exchange

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/textground/textground/proto"
)

// Why a transfer ends without success.
var (
	ErrStaleEpoch = errors.New("another coordinator epoch has begun")
	ErrGone       = errors.New("the coordinator no longer keeps that step")
	ErrRefusedBy  = errors.New("the coordinator refuses the part")
	ErrBusy       = errors.New("this is under way already")
)

const (
	resendAfter = 500 * time.Millisecond // an unanswered frame is taken for lost
	pollEvery   = 250 * time.Millisecond // in case that a notice was lost
)

// pace is how patient a client is.
type pace struct{ resend, poll time.Duration }

// ClientConfig describes a worker's end of the exchanges.
type ClientConfig struct {
	Lanes   int
	TextLen int // float32 of one lane's texts: B*E

	// OnSent, where set, hears of every chunk that was handed to the connection, from the goroutine that sends. It must not
	// block long.
	OnSent func(step int, x proto.Exchange, chunk, chunks int)
	Log    hclog.Logger
}

// Client contributes one worker's parts and fetches what they were reduced to. One goroutine of its own sends; whatever else
// happens, happens in the goroutines of its callers and of NATS.
type Client struct {
	cfg  ClientConfig
	wire wire
	name string
	run  string
	log  hclog.Logger
	place
	pace

	inbox  string
	cancel []func()
	wake   chan struct{} // there may be something to send
	stop   chan struct{}
	sender sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	epoch    uint64
	parts    []*Sending // unfinished, in the order of contribution
	flying   int        // chunks sent and not answered
	sent     uint64     // frames, for fresh reply subjects
	extents  map[roundKey]extent
	awaits   map[roundKey]*waiting
	buffer32 map[proto.Exchange][]float32 // of the last Await
	buffer64 map[proto.Exchange][]float64
	served   map[string]*snapshot // follower → the copy it reads
	fetches  map[uint64]chan frame
}

// NewClient begins to listen for answers. The bus must bear the worker's name.
func NewClient(bus *Bus, cfg ClientConfig) (*Client, error) {
	return newClient(bus, bus.run, bus.name, cfg, pace{resendAfter, pollEvery})
}

func newClient(w wire, run, name string, cfg ClientConfig, p pace) (*Client, error) {
	if cfg.Lanes < 1 || cfg.Lanes > proto.MaxLanes || cfg.TextLen < 1 {
		return nil, fmt.Errorf("a client over %d lanes and texts of %d values: lanes are 1 to %d, texts at least 1", cfg.Lanes, cfg.TextLen, proto.MaxLanes)
	}
	c := &Client{cfg: cfg, wire: w, run: run, name: name, log: cfg.Log, place: central{run, name}, pace: p, inbox: w.inbox(),
		wake: make(chan struct{}, 1), stop: make(chan struct{}),
		extents: map[roundKey]extent{}, awaits: map[roundKey]*waiting{},
		buffer32: map[proto.Exchange][]float32{}, buffer64: map[proto.Exchange][]float64{},
		served: map[string]*snapshot{}, fetches: map[uint64]chan frame{}}
	if c.log == nil {
		c.log = hclog.NewNullLogger()
	}
	c.cancel = append(c.cancel, w.watch(c.onBusError))
	for _, s := range []struct {
		subject string
		handle  func(frame)
	}{
		{c.inbox + ".ack.*", c.onAck},
		{c.inbox + ".pull.*", c.onReduced},
		{proto.ReadySubject(run), c.onReady},
	} {
		if err := c.listen(s.subject, s.handle); err != nil {
			c.Close()
			return nil, err
		}
	}
	cancel, err := w.subscribe(c.inbox+".state.*", c.onState)
	if err != nil {
		c.Close()
		return nil, err
	}
	c.cancel = append(c.cancel, cancel)
	c.sender.Add(1)
	go c.send()
	return c, nil
}

func (c *Client) listen(subject string, handle func(frame)) error {
	cancel, err := c.wire.subscribe(subject, func(m message) {
		if m.nobody {
			return // the coordinator is away: everything is sent again until it is back
		}
		f, err := parseFrame(m.data)
		if err != nil { // asked for again when nothing better comes
			c.log.Warn("frame dropped", "subject", m.subject, "bytes", len(m.data), "error", err)
			return
		}
		handle(f)
	})
	if err != nil {
		return fmt.Errorf("worker %s joining the exchanges of run %s: %w", c.name, c.run, err)
	}
	c.cancel = append(c.cancel, cancel)
	return nil
}

// Close ends listening, serving and sending; what is under way fails with [ErrClosed].
func (c *Client) Close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	cancels := c.cancel
	c.mu.Unlock()
	close(c.stop)
	for _, cancel := range cancels {
		cancel()
	}
	c.fail(ErrClosed)
	c.sender.Wait()
	c.dropSnapshots()
}

// BeginEpoch makes the client speak to the coordinator of epoch. Contributions under way to an older one end with
// [ErrStaleEpoch]; their owner decides what the new one needs.
func (c *Client) BeginEpoch(epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch == c.epoch {
		return
	}
	c.epoch = epoch
	clear(c.extents)
	c.endAll(ErrStaleEpoch)
	for _, w := range c.awaits {
		w.extent = extent{}
		w.nudge()
	}
}

// fail ends everything that is under way.
func (c *Client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endAll(err)
	for _, w := range c.awaits {
		w.end(err)
	}
}

// onBusError ends the transfers when the server forbids them or the connection is closed. Dropped frames are asked for again
// at once.
func (c *Client) onBusError(err error) {
	switch {
	case errors.Is(err, ErrPermission), errors.Is(err, ErrClosed):
		c.fail(err)
	case errors.Is(err, ErrSlow):
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, w := range c.awaits {
			w.nudge()
		}
		c.poke()
	}
}

// poke lets the sender look for something to send.
func (c *Client) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// extent is how much of an exchange's outcome is there.
type extent struct {
	low    int // chunks
	chunks int // of the whole
	length int // values of the whole; 0 while nothing is known
}

// onReady learns how many chunks of an exchange are reduced, or gets a short outcome as a whole.
func (c *Client) onReady(f frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := roundKey{f.step, f.exchange}
	switch w := c.awaits[key]; {
	case f.epoch != c.epoch:
	case f.kind == reducedFrame && w != nil:
		w.deliver(f)
	case f.kind == reducedFrame, f.kind == readyFrame:
		c.learn(key, extent{f.low, f.chunks, f.length})
	}
}

// learn raises what is known of an exchange. Notices may come late or in another order: low never falls within an epoch.
func (c *Client) learn(key roundKey, e extent) {
	if have := c.extents[key]; e.length == 0 || (have.length > 0 && e.low <= have.low) {
		return
	}
	for old := range c.extents {
		if old.step < key.step-proto.MaxBehind {
			delete(c.extents, old)
		}
	}
	c.extents[key] = e
	c.poke()
	if w := c.awaits[key]; w != nil {
		w.extent = e
		w.nudge()
	}
}
