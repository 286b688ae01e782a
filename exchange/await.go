package exchange

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/textground/textground/proto"
)

// Reduced is the outcome of an exchange. Values are valid until the next Await of the same exchange.
type Reduced struct {
	Step         int
	Exchange     proto.Exchange
	Float32      []float32 // texts [N, E], gradients
	Float64      []float64 // columns
	Tail         []float64 // the summed loss terms, with gradients
	NonFinite    []int     // lanes whose senders flagged them
	SumNonFinite bool      // a reduced value is not finite
	Note         []byte    // what the coordinator opened the step with, with gradients
}

// waiting is one Await: what is known of the outcome, and what has come.
type waiting struct {
	frames chan frame    // chunks, and answers why there is none yet
	news   chan struct{} // something was learnt
	ends   chan error

	extent extent // guarded by the client's lock
}

func newWaiting() *waiting {
	return &waiting{frames: make(chan frame, 2*proto.WindowChunks), news: make(chan struct{}, 1), ends: make(chan error, 1)}
}

func (w *waiting) nudge() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

func (w *waiting) end(err error) {
	select {
	case w.ends <- err:
	default:
	}
}

// Await fetches the outcome of an exchange, as soon and as far as it is there, and returns when it has all of it. A step that
// is not open yet is waited for, and so is a coordinator that is away or a new one whose epoch [Client.BeginEpoch] has not
// begun; a step that is no longer kept is [ErrGone]. Followers use it for steps that were closed. An exchange is awaited by
// one goroutine at a time.
func (c *Client) Await(ctx context.Context, step int, x proto.Exchange) (Reduced, error) {
	r, err := c.await(ctx, roundKey{step, x})
	if err != nil {
		return Reduced{}, fmt.Errorf("awaiting %s of step %d: %w", x, step, err)
	}
	return r, nil
}

func (c *Client) await(ctx context.Context, key roundKey) (Reduced, error) {
	w, err := c.enter(key)
	if err != nil {
		return Reduced{}, err
	}
	defer c.leave(key)
	poll := time.NewTicker(c.poll)
	defer poll.Stop()
	f := c.newFetch(key, w)
	for {
		if err := f.ask(time.Now()); err != nil {
			return Reduced{}, err
		}
		if f.complete() {
			return f.into, nil
		}
		select {
		case frame := <-w.frames:
			if err := f.take(frame); err != nil {
				return Reduced{}, err
			}
		case <-w.news:
		case <-poll.C:
			f.poll = true
		case err := <-w.ends:
			return Reduced{}, err
		case <-ctx.Done():
			return Reduced{}, ctx.Err()
		}
	}
}

func (c *Client) enter(key roundKey) (*waiting, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	for other := range c.awaits {
		if other.exchange == key.exchange {
			return nil, ErrBusy
		}
	}
	w := newWaiting()
	w.extent = c.extents[key]
	c.awaits[key] = w
	return w, nil
}

func (c *Client) leave(key roundKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.awaits, key)
}

// onReduced passes an answer to the Await that asked. What does not fit in its queue is asked for again.
func (c *Client) onReduced(f frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.awaits[roundKey{f.step, f.exchange}]; f.kind == reducedFrame && w != nil {
		w.deliver(f)
	}
}

func (w *waiting) deliver(f frame) {
	select {
	case w.frames <- f:
	default:
	}
}

// fetch is the progress of one Await, in its own goroutine.
type fetch struct {
	client *Client
	key    roundKey
	w      *waiting
	into   Reduced

	epoch  uint64 // all chunks come from one
	shaped bool   // the length is known
	cut    cut
	asked  []time.Time // when each chunk was asked for; zero: not, or answered
	got    []bool
	flying int
	left   int
	poll   bool // ask how far the exchange is
}

func (c *Client) newFetch(key roundKey, w *waiting) *fetch {
	f := &fetch{client: c, key: key, w: w}
	f.restart(c.currentEpoch())
	return f
}

func (c *Client) currentEpoch() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}

// restart forgets all that came: chunks of two epochs never meet in one vector.
func (f *fetch) restart(epoch uint64) {
	f.epoch, f.shaped, f.flying, f.poll = epoch, false, 0, true
	f.into = Reduced{Step: f.key.step, Exchange: f.key.exchange}
}

func (f *fetch) complete() bool { return f.shaped && f.left == 0 }

// shape makes room for a vector whose length is known now.
func (f *fetch) shape(e extent) error {
	if f.shaped {
		return nil
	}
	f.cut = cutFor(e.length, typeFor(f.key.exchange))
	if f.cut.chunks() != e.chunks {
		return fmt.Errorf("a vector of %d values in %d chunks: coordinator and worker are of different builds", e.length, e.chunks)
	}
	f.shaped, f.left = true, e.chunks
	f.asked, f.got = make([]time.Time, e.chunks), make([]bool, e.chunks)
	c := f.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.key.exchange == proto.Columns {
		f.into.Float64 = resize(c.buffer64[f.key.exchange], e.length)
		c.buffer64[f.key.exchange] = f.into.Float64
	} else {
		f.into.Float32 = resize(c.buffer32[f.key.exchange], e.length)
		c.buffer32[f.key.exchange] = f.into.Float32
	}
	return nil
}

func resize[T any](b []T, length int) []T {
	if cap(b) < length {
		return make([]T, length)
	}
	return b[:length]
}

// ask requests the chunks that are ready and not here, within the window, and again those that stay without answer. Until the
// length is known, and when a poll is due, it asks how far the exchange is.
func (f *fetch) ask(now time.Time) error {
	c := f.client
	c.mu.Lock()
	epoch, e := c.epoch, f.w.extent
	c.mu.Unlock()
	if epoch != f.epoch {
		f.restart(epoch)
	}
	if e.length > 0 {
		if err := f.shape(e); err != nil {
			return err
		}
	}
	if f.poll && (!f.shaped || e.low < e.chunks) {
		f.request(frame{status: howFar})
	}
	f.poll = false
	if !f.shaped {
		return nil
	}
	for i := range e.low {
		switch {
		case f.got[i]:
		case !f.asked[i].IsZero():
			if now.Sub(f.asked[i]) >= c.resend {
				f.asked[i] = now
				f.request(frame{chunk: i, chunks: e.chunks})
			}
		case f.flying < proto.WindowChunks:
			f.flying++
			f.asked[i] = now
			f.request(frame{chunk: i, chunks: e.chunks})
		}
	}
	return nil
}

func (f *fetch) request(q frame) {
	c := f.client
	q.kind, q.exchange, q.epoch, q.step = pullFrame, f.key.exchange, f.epoch, f.key.step
	if err := c.wire.publish(c.pullSubject(q.chunk), c.freshReply("pull"), q.encode()); err != nil {
		c.log.Debug("request not sent", "exchange", q.exchange, "step", q.step, "chunk", q.chunk, "error", err)
	}
}

// freshReply is a reply subject that was not used before: a server grants one answer to each.
func (c *Client) freshReply(kind string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	return c.inbox + "." + kind + "." + strconv.FormatUint(c.sent, 36)
}

// take uses one answer.
func (f *fetch) take(a frame) error {
	switch {
	case a.epoch == f.epoch && a.status == gone:
		return ErrGone
	case a.status == badPart:
		return ErrRefusedBy
	case a.epoch != f.epoch:
		return nil
	case a.status == notOpen:
		f.unask(a.chunk)
		return nil
	}
	c := f.client
	c.mu.Lock()
	c.learn(f.key, extent{a.low, a.chunks, a.length})
	c.mu.Unlock()
	switch a.status {
	case accepted:
		return f.place(a)
	case pending:
		f.unask(a.chunk)
	}
	return nil
}

// unask notes that nothing is under way for a chunk.
func (f *fetch) unask(chunk int) {
	if f.shaped && chunk < len(f.asked) && !f.asked[chunk].IsZero() {
		f.asked[chunk] = time.Time{}
		f.flying--
	}
}

// place puts a chunk where it belongs.
func (f *fetch) place(a frame) error {
	if err := f.shape(extent{a.low, a.chunks, a.length}); err != nil {
		return err
	}
	if a.chunk >= len(f.got) || f.got[a.chunk] {
		return nil // asked for twice
	}
	lo, hi := f.cut.of(a.chunk)
	if a.dtype != typeFor(f.key.exchange) || len(a.values) != (hi-lo)*a.dtype.size() {
		return fmt.Errorf("chunk %d has %d bytes of type %d for %d values: coordinator and worker are of different builds", a.chunk, len(a.values), a.dtype, hi-lo)
	}
	if f.into.Float64 != nil {
		readValues(f.into.Float64[lo:hi], a.values)
	} else {
		readValues(f.into.Float32[lo:hi], a.values)
	}
	if a.chunk == len(f.got)-1 {
		if err := readReducedTrailer(a.trailer, f.key.exchange, f.client.cfg.Lanes, &f.into); err != nil {
			return err
		}
	}
	f.unask(a.chunk)
	f.got[a.chunk] = true
	f.left--
	return nil
}
