package exchange

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/textground/textground/proto"
)

// State is what a follower copies from a member: the parameters and both moments after the update of Step.
type State struct {
	Step           int
	Digest         string
	Params, M1, M2 []float32
	Note           []byte // whatever else belongs to it, at most 64 KiB
}

// Why a copy ends without success.
var (
	ErrPeerAway = errors.New("the peer does not answer")
	ErrDamaged  = errors.New("the copy has another SHA-256 than the peer's state")
)

const (
	peerSilence  = 2 * time.Second  // without an answer of any kind
	snapshotIdle = 10 * time.Second // a copy that nobody reads is dropped
	maxStateNote = 64 << 10
)

// stateInfo says what a copy consists of; it travels as JSON.
type stateInfo struct {
	Step    int    `json:"step"`
	Digest  string `json:"digest"`
	Lengths [3]int `json:"lengths"` // of parameters, first and second moments
	SHA256  string `json:"sha256"`  // over all three, float32 little-endian
	Note    []byte `json:"note"`
	Failed  string `json:"failed"` // why there is none
}

func (s *State) vectors() [3][]float32 { return [3][]float32{s.Params, s.M1, s.M2} }

// sum is the SHA-256 of the vectors.
func (s *State) sum() string {
	h := sha256.New()
	var wire []byte
	for _, v := range s.vectors() {
		c := cutFor(len(v), float32s)
		for i := c.chunks() - 1; i >= 0; i-- {
			lo, hi := c.of(i)
			wire = appendValues(wire[:0], v[lo:hi])
			h.Write(wire)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// copyPlan numbers the chunks of the three vectors in turn.
type copyPlan [3]cut

func planCopy(lengths [3]int) copyPlan {
	var p copyPlan
	for i, n := range lengths {
		p[i] = cutFor(n, float32s)
	}
	return p
}

func (p copyPlan) chunks() int { return p[0].chunks() + p[1].chunks() + p[2].chunks() }

// of returns the vector and the range of a chunk.
func (p copyPlan) of(chunk int) (vector, lo, hi int) {
	for chunk >= p[vector].chunks() {
		chunk -= p[vector].chunks()
		vector++
	}
	lo, hi = p[vector].of(chunk)
	return vector, lo, hi
}

// snapshot is a copy that is being made for, or read by, one follower.
type snapshot struct {
	id     uint64 // of the follower's request
	cancel context.CancelFunc
	idle   *time.Timer
	made   bool
	info   stateInfo
	state  State
	plan   copyPlan
}

// ServeState gives copies of this worker's state to followers who ask. take is called in a goroutine of its own, once for
// every copy; it returns slices that nobody changes any more, at a step boundary, for which it may wait until its ctx ends.
// cancel ends serving and waits for take.
func (c *Client) ServeState(take func(ctx context.Context) (State, error)) (cancel func(), err error) {
	ctx, stop := context.WithCancel(context.Background())
	var making sync.WaitGroup
	unsubscribe, err := c.wire.subscribe(proto.StateSubject(c.run, "*", c.name), func(m message) {
		f, err := parseFrame(m.data)
		if err != nil || (f.kind != openFrame && f.kind != getFrame) {
			c.log.Warn("frame dropped", "subject", m.subject, "bytes", len(m.data), "error", err)
			return
		}
		follower := nameIn(m.subject)
		if f.kind == openFrame {
			c.publishState(m.reply, c.openCopy(ctx, &making, follower, f.epoch, take))
		} else {
			c.publishState(m.reply, c.copyChunk(follower, &f))
		}
	})
	if err != nil {
		stop()
		return nil, fmt.Errorf("worker %s offering its state: %w", c.name, err)
	}
	var once sync.Once
	cancel = func() {
		once.Do(func() {
			unsubscribe()
			stop()
			c.dropSnapshots()
			making.Wait()
		})
	}
	c.mu.Lock()
	c.cancel = append(c.cancel, cancel)
	closed := c.closed
	c.mu.Unlock()
	if closed {
		cancel()
		return nil, fmt.Errorf("worker %s offering its state: %w", c.name, ErrClosed)
	}
	return cancel, nil
}

// openCopy begins a copy for a follower, or says how the one that it asked for stands.
func (c *Client) openCopy(ctx context.Context, making *sync.WaitGroup, follower string, id uint64, take func(context.Context) (State, error)) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.served[follower]
	if s == nil || s.id != id {
		if s != nil {
			s.drop()
		}
		s = &snapshot{id: id}
		c.served[follower] = s
		s.idle = time.AfterFunc(snapshotIdle, func() { c.dropSnapshot(follower, id) })
		takeCtx, cancel := context.WithCancel(ctx)
		s.cancel = cancel
		making.Add(1)
		go func() {
			defer making.Done()
			defer cancel()
			state, err := take(takeCtx)
			c.copyMade(s, state, err)
		}()
	}
	s.idle.Reset(snapshotIdle)
	f := frame{kind: stateFrame, epoch: id, status: pending}
	if s.made {
		f.values, _ = json.Marshal(s.info) // strings, numbers and bytes: cannot fail
		f.status = accepted
		if s.info.Failed != "" {
			f.status = failed
		}
	}
	return f.encode()
}

// copyMade has the state hashed and keeps it for reading.
func (c *Client) copyMade(s *snapshot, state State, err error) {
	if err == nil && len(state.Note) > maxStateNote {
		err = fmt.Errorf("its note has %d bytes, at most %d fit", len(state.Note), maxStateNote)
	}
	info := stateInfo{Step: state.Step, Digest: state.Digest, Note: state.Note}
	if err != nil {
		info = stateInfo{Failed: err.Error()}
	} else {
		for i, v := range state.vectors() {
			info.Lengths[i] = len(v)
		}
		info.SHA256 = state.sum()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.state, s.info, s.plan, s.made = state, info, planCopy(info.Lengths), true
}

// copyChunk is the answer to a follower who reads. Asking for the chunk behind the last one ends its copy.
func (c *Client) copyChunk(follower string, f *frame) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := frame{kind: copyFrame, epoch: f.epoch, chunk: f.chunk, chunks: f.chunks, status: gone}
	s := c.served[follower]
	if s == nil || s.id != f.epoch || !s.made || s.info.Failed != "" || f.chunks != s.plan.chunks() {
		return a.encode()
	}
	a.status = accepted
	if f.chunk == f.chunks {
		s.drop()
		delete(c.served, follower)
		return a.encode()
	}
	s.idle.Reset(snapshotIdle)
	vector, lo, hi := s.plan.of(f.chunk)
	a.dtype, a.length = float32s, hi-lo
	data := appendValues(a.encodeHeader(make([]byte, 0, headerBytes+4*(hi-lo)+crcBytes)), s.state.vectors()[vector][lo:hi])
	return sealFrame(data)
}

func (c *Client) publishState(subject string, data []byte) {
	if err := c.wire.publish(subject, "", data); err != nil {
		c.log.Debug("answer not sent", "subject", subject, "error", err)
	}
}

func (s *snapshot) drop() {
	s.idle.Stop()
	s.cancel()
}

func (c *Client) dropSnapshot(follower string, id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.served[follower]; s != nil && s.id == id {
		s.drop()
		delete(c.served, follower)
	}
}

func (c *Client) dropSnapshots() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.served {
		s.drop()
	}
	clear(c.served)
}

// FetchState copies the state of peer, which waits for its next step boundary first. It ends at once with [ErrPeerAway] when
// the peer is not there or falls silent, and with [ErrDamaged] when what came is not what the peer has.
func (c *Client) FetchState(ctx context.Context, peer string) (State, error) {
	s, err := c.fetchState(ctx, peer)
	if err != nil {
		return State{}, fmt.Errorf("copying the state of %s: %w", peer, err)
	}
	return s, nil
}

func (c *Client) fetchState(ctx context.Context, peer string) (State, error) {
	k := &copying{client: c, peer: peer, answers: make(chan frame, 2*proto.WindowChunks)}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return State{}, ErrClosed
	}
	c.sent++
	k.id = copyID(c.inbox, c.sent)
	c.fetches[k.id] = k.answers
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.fetches, k.id)
		c.mu.Unlock()
	}()
	return k.run(ctx)
}

// copyID differs between two copies and between two processes of one name.
func copyID(inbox string, number uint64) uint64 {
	h := fnv.New64a()
	h.Write([]byte(inbox)) // never fails
	return h.Sum64() + number
}

// onState passes an answer to the FetchState that asked; its id is in the subject, …state.<id>-<number>.
func (c *Client) onState(m message) {
	token, _, _ := strings.Cut(m.subject[strings.LastIndexByte(m.subject, '.')+1:], "-")
	id, err := strconv.ParseUint(token, 36, 64)
	if err != nil {
		return
	}
	f := frame{kind: copyFrame, status: failed, epoch: id} // nobody there
	if !m.nobody {
		if f, err = parseFrame(m.data); err != nil {
			c.log.Warn("frame dropped", "subject", m.subject, "bytes", len(m.data), "error", err)
			return
		}
	}
	c.mu.Lock()
	answers := c.fetches[id]
	c.mu.Unlock()
	if f.epoch != id {
		return
	}
	select {
	case answers <- f:
	default: // asked for again
	}
}

// copying is one FetchState, in its own goroutine.
type copying struct {
	client  *Client
	peer    string
	id      uint64
	answers chan frame

	info   *stateInfo // nil until the copy is made
	state  State
	plan   copyPlan
	asked  []time.Time
	got    []bool
	next   int // chunks below it have been asked for
	flying int
	left   int
}

func (k *copying) run(ctx context.Context) (State, error) {
	poll := time.NewTicker(k.client.poll)
	defer poll.Stop()
	heard := time.Now()
	k.request(openFrame, 0)
	for {
		select {
		case f := <-k.answers:
			heard = time.Now()
			if err := k.take(&f); err != nil {
				return State{}, err
			}
		case <-poll.C:
			if time.Since(heard) > peerSilence {
				return State{}, ErrPeerAway
			}
			k.again()
		case <-k.client.stop:
			return State{}, ErrClosed
		case <-ctx.Done():
			return State{}, ctx.Err()
		}
		if k.info != nil && k.left == 0 {
			k.request(getFrame, len(k.got)) // the peer may drop it
			if k.state.sum() != k.info.SHA256 {
				return State{}, ErrDamaged
			}
			return k.state, nil
		}
	}
}

// request asks the peer: to begin (and how it stands), or for a chunk.
func (k *copying) request(kind frameKind, chunk int) {
	c := k.client
	c.mu.Lock()
	c.sent++
	reply := c.inbox + ".state." + strconv.FormatUint(k.id, 36) + "-" + strconv.FormatUint(c.sent, 36)
	c.mu.Unlock()
	f := frame{kind: kind, epoch: k.id, chunk: chunk, chunks: len(k.got)}
	if err := c.wire.publish(proto.StateSubject(c.run, c.name, k.peer), reply, f.encode()); err != nil {
		c.log.Debug("request not sent", "peer", k.peer, "chunk", chunk, "error", err)
	}
}

// again repeats what stays without answer.
func (k *copying) again() {
	if k.info == nil {
		k.request(openFrame, 0)
		return
	}
	for i := range k.next {
		if !k.got[i] && time.Since(k.asked[i]) >= k.client.resend {
			k.ask(i)
		}
	}
}

func (k *copying) ask(chunk int) {
	k.asked[chunk] = time.Now()
	k.request(getFrame, chunk)
}

func (k *copying) take(f *frame) error {
	switch {
	case f.kind == copyFrame && f.status == failed:
		return ErrPeerAway
	case f.kind == copyFrame && f.status == gone:
		return fmt.Errorf("%w: it no longer has this copy", ErrPeerAway)
	case f.kind == stateFrame && f.status == pending, f.kind == stateFrame && k.info != nil:
		return nil
	case f.kind == stateFrame:
		return k.begin(f)
	case f.kind == copyFrame && k.info != nil:
		return k.place(f)
	}
	return nil
}

// maxStateValues bounds what a peer may make this worker allocate: 4 GiB a vector.
const maxStateValues = 1 << 30

// begin makes room for what the peer says it has.
func (k *copying) begin(f *frame) error {
	var info stateInfo
	if err := decodeStrictly(f.values, &info); err != nil {
		return err
	}
	if info.Failed != "" {
		return errors.New("it cannot give it: " + info.Failed)
	}
	for _, n := range info.Lengths {
		if n < 0 || n > maxStateValues {
			return fmt.Errorf("a vector of %d values", n)
		}
	}
	k.info, k.plan = &info, planCopy(info.Lengths)
	k.state = State{Step: info.Step, Digest: info.Digest, Note: info.Note,
		Params: make([]float32, info.Lengths[0]), M1: make([]float32, info.Lengths[1]), M2: make([]float32, info.Lengths[2])}
	k.left = k.plan.chunks()
	k.asked, k.got = make([]time.Time, k.left), make([]bool, k.left)
	k.fill()
	return nil
}

// fill keeps the window full.
func (k *copying) fill() {
	for ; k.flying < proto.WindowChunks && k.next < len(k.got); k.next++ {
		k.flying++
		k.ask(k.next)
	}
}

func (k *copying) place(f *frame) error {
	if f.chunk >= len(k.got) || k.got[f.chunk] {
		return nil // asked for twice
	}
	vector, lo, hi := k.plan.of(f.chunk)
	if f.dtype != float32s || len(f.values) != 4*(hi-lo) {
		return fmt.Errorf("chunk %d has %d bytes for %d values: the two workers are of different builds", f.chunk, len(f.values), hi-lo)
	}
	readValues(k.state.vectors()[vector][lo:hi], f.values)
	k.got[f.chunk] = true
	k.left--
	k.flying--
	k.fill()
	return nil
}
