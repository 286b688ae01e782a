package exchange

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/textground/textground/proto"
)

// Part is the sum over the lanes of a node (or one lane's texts). Exactly one of the two value slices is set, the one of the
// exchange's type. The values belong to the client until the Sending is done.
type Part struct {
	Step      int
	Exchange  proto.Exchange
	Node      proto.Node
	Float32   []float32 // texts of one lane, gradients
	Float64   []float64 // columns
	Tail      []float64 // 8 summed loss terms, with gradients alone
	NonFinite []int     // lanes of the node whose own values were not finite
}

// Sending is a part on its way. It may be made before its values are: chunks leave as they become ready.
type Sending struct {
	client *Client
	part   Part
	epoch  uint64
	key    roundKey
	cut    cut
	dtype  dtype

	wanting []int // values of each chunk that are not ready yet
	ended   bool  // tail and flags are known: the last chunk may leave
	chunks  []chunkState
	unacked int

	done chan struct{}
	err  error // set before done is closed
}

// chunkState is where a chunk is. retry is when it may be sent (again); the zero time is now.
type chunkState struct {
	acked  bool
	flying bool
	retry  time.Time
}

// Contribute hands in a part whose values are complete and returns at once.
func (c *Client) Contribute(p Part) *Sending {
	s := c.Begin(p)
	if n := len(p.Float32) + len(p.Float64); n > 0 {
		s.Ready(0, n)
	}
	s.End(p.Tail, p.NonFinite)
	return s
}

// Begin hands in a part whose values are still being computed: [Sending.Ready] tells which are final, [Sending.End] the rest.
func (c *Client) Begin(p Part) *Sending {
	s := &Sending{client: c, part: p, key: roundKey{p.Step, p.Exchange}, dtype: typeFor(p.Exchange), done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.epoch = c.epoch
	if err := c.check(p); err != nil {
		s.finish(fmt.Errorf("contributing %s: %w", s, err))
		return s
	}
	s.cut = cutFor(len(p.Float32)+len(p.Float64), s.dtype)
	s.chunks = make([]chunkState, s.cut.chunks())
	s.unacked = len(s.chunks)
	for i := range s.chunks {
		lo, hi := s.cut.of(i)
		s.wanting = append(s.wanting, hi-lo)
	}
	c.parts = append(c.parts, s)
	return s
}

func (c *Client) check(p Part) error {
	if c.closed {
		return ErrClosed
	}
	if !p.Node.Valid(c.cfg.Lanes) || (p.Exchange == proto.Texts && !p.Node.Leaf()) {
		return fmt.Errorf("lanes [%d,%d) of %d are no part: texts are sent lane by lane, sums by subtrees", p.Node.Lo, p.Node.Hi, c.cfg.Lanes)
	}
	if p.Exchange < proto.Texts || p.Exchange > proto.Gradients || (p.Exchange == proto.Columns) != (p.Float64 != nil) || (p.Float32 != nil) != (p.Float64 == nil) {
		return fmt.Errorf("columns are float64 values, texts and gradients float32")
	}
	if p.Exchange == proto.Texts && len(p.Float32) != c.cfg.TextLen {
		return fmt.Errorf("%d values, a lane's texts have %d", len(p.Float32), c.cfg.TextLen)
	}
	if slices.ContainsFunc(c.parts, func(s *Sending) bool { return s.key == roundKey{p.Step, p.Exchange} && s.part.Node == p.Node }) {
		return ErrBusy
	}
	return nil
}

// Ready says that the values [lo, hi) are final. Every value is to be named once. It never waits for the network.
func (s *Sending) Ready(lo, hi int) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.isDone() {
		return
	}
	if lo < 0 || lo >= hi || hi > s.cut.length {
		panic(fmt.Sprintf("exchange: values [%d,%d) of %d are called ready", lo, hi, s.cut.length))
	}
	from, to := s.cut.over(lo, hi)
	for i := from; i < to; i++ {
		clo, chi := s.cut.of(i)
		s.wanting[i] -= min(hi, chi) - max(lo, clo)
		if s.wanting[i] < 0 {
			panic(fmt.Sprintf("exchange: values of chunk %d, [%d,%d), are called ready twice", i, clo, chi))
		}
	}
	c.poke()
}

// End gives the tail (8 loss terms with gradients, none else) and the lanes whose values were not finite. The last chunk
// leaves after it.
func (s *Sending) End(tail []float64, nonFinite []int) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.isDone() {
		return
	}
	n := s.part.Node
	if len(tail) != tailLen(s.part.Exchange) || slices.ContainsFunc(nonFinite, func(k int) bool { return k < n.Lo || k >= n.Hi }) {
		panic(fmt.Sprintf("exchange: %s ends with a tail of %d values and the lanes %v", s, len(tail), nonFinite))
	}
	s.part.Tail, s.part.NonFinite, s.ended = slices.Clone(tail), slices.Clone(nonFinite), true
	c.poke()
}

// Done is closed when every chunk has been taken or the part has failed.
func (s *Sending) Done() <-chan struct{} { return s.done }

// Err returns why the part failed, once Done is closed; nil when all of it was taken.
func (s *Sending) Err() error {
	<-s.done
	return s.err
}

// Wait waits for Done or for the end of ctx; in that case the part goes on being sent.
func (s *Sending) Wait(ctx context.Context) error {
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("contributing %s: %w", s, ctx.Err())
	}
}

func (s *Sending) String() string {
	return fmt.Sprintf("%s of step %d, lanes [%d,%d)", s.part.Exchange, s.part.Step, s.part.Node.Lo, s.part.Node.Hi)
}

func (s *Sending) isDone() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *Sending) finish(err error) {
	s.err = err
	close(s.done)
}

// end takes a part out of the queue. The caller holds the lock.
func (c *Client) end(s *Sending, err error) {
	for _, k := range s.chunks {
		if k.flying {
			c.flying--
		}
	}
	c.parts = slices.DeleteFunc(c.parts, func(x *Sending) bool { return x == s })
	s.finish(err)
	c.poke()
}

func (c *Client) endAll(err error) {
	for _, s := range slices.Clone(c.parts) {
		c.end(s, fmt.Errorf("contributing %s: %w", s, err))
	}
}

// send is the client's own goroutine: it sends what may be sent, and sleeps until that changes.
func (c *Client) send() {
	defer c.sender.Done()
	timer := time.NewTimer(c.resend)
	defer timer.Stop()
	var buffer []byte
	for {
		job, wait := c.next(time.Now(), buffer)
		if job != nil {
			buffer = job.data
			c.sendChunk(job)
			continue
		}
		timer.Reset(wait)
		select {
		case <-c.stop:
			return
		case <-c.wake:
		case <-timer.C:
		}
	}
}

// job is a chunk to be sent.
type job struct {
	sending        *Sending
	chunk          int
	subject, reply string
	data           []byte
}

func (c *Client) sendChunk(j *job) {
	if err := c.wire.publish(j.subject, j.reply, j.data); err != nil {
		c.log.Debug("chunk not sent", "part", j.sending, "chunk", j.chunk, "error", err)
		return // sent again when no answer comes
	}
	if c.cfg.OnSent != nil {
		c.cfg.OnSent(j.sending.part.Step, j.sending.part.Exchange, j.chunk, len(j.sending.chunks))
	}
}

// next takes the first chunk that may be sent: ready, not answered, due, within the window, and not too many under way. With
// none it returns how long to wait for the next that becomes due.
func (c *Client) next(now time.Time, buffer []byte) (*job, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait := c.resend
	for _, s := range c.parts {
		last := len(s.chunks)
		if s.part.Exchange != proto.Texts {
			last = min(last, c.extents[s.key].low+proto.WindowChunks)
		}
		for i := range last {
			k := &s.chunks[i]
			if k.acked || s.wanting[i] > 0 || (i == len(s.chunks)-1 && !s.ended) {
				continue
			}
			if due := k.retry.Sub(now); due > 0 {
				wait = min(wait, due)
				continue
			}
			if k.flying { // no answer came
				k.flying = false
				c.flying--
			}
			if c.flying >= proto.WindowChunks {
				return nil, wait
			}
			k.flying, k.retry = true, now.Add(c.resend)
			c.flying++
			return c.encode(s, i, buffer), 0
		}
	}
	return nil, wait
}

// encode makes the frame while the lock keeps the part from ending, after which its values may change.
func (c *Client) encode(s *Sending, chunk int, buffer []byte) *job {
	lo, hi := s.cut.of(chunk)
	f := frame{kind: partFrame, exchange: s.part.Exchange, dtype: s.dtype, epoch: s.epoch, step: s.part.Step, node: s.part.Node,
		chunk: chunk, chunks: len(s.chunks), length: s.cut.length}
	if chunk == len(s.chunks)-1 {
		f.trailer = partTrailer(s.part.Tail, s.part.NonFinite, s.part.Node)
	}
	data := f.encodeHeader(buffer[:0])
	if s.dtype == float64s {
		data = appendValues(data, s.part.Float64[lo:hi])
	} else {
		data = appendValues(data, s.part.Float32[lo:hi])
	}
	data = sealFrame(append(data, f.trailer...))
	c.sent++
	return &job{s, chunk, c.partSubject(chunk), c.inbox + ".ack." + strconv.FormatUint(c.sent, 36), data}
}

// onAck hears what became of a chunk.
func (c *Client) onAck(f frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.parts, func(s *Sending) bool {
		return s.epoch == f.epoch && s.key == roundKey{f.step, f.exchange} && s.part.Node == f.node
	})
	if f.kind != ackFrame || i < 0 || f.chunk >= len(c.parts[i].chunks) || c.parts[i].chunks[f.chunk].acked {
		return // answered before
	}
	s := c.parts[i]
	k := &s.chunks[f.chunk]
	if k.flying {
		k.flying = false
		c.flying--
	}
	c.learn(s.key, extent{f.low, f.chunks, f.length})
	switch f.status {
	case accepted, known, differs: // the one that differs is the coordinator's alarm; the first value counts
		k.acked = true
		s.unacked--
		if s.unacked == 0 {
			c.end(s, nil)
		}
	case full, notOpen:
		k.retry = time.Now().Add(c.poll)
		if f.status == full && f.chunk < c.extents[s.key].low+proto.WindowChunks {
			k.retry = time.Time{} // there is room by now
		}
	case staleEpoch:
		c.end(s, fmt.Errorf("contributing %s: %w", s, ErrStaleEpoch))
	case gone:
		c.end(s, fmt.Errorf("contributing %s: %w", s, ErrGone))
	default:
		c.end(s, fmt.Errorf("contributing %s, chunk %d: %w (%s)", s, f.chunk, ErrRefusedBy, f.status))
	}
	c.poke()
}
