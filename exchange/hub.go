package exchange

import (
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/textground/textground/proto"
)

// HubConfig describes the coordinator's end of the exchanges. The callbacks come from one goroutine, one after the other, and
// hold up the hub while they run; they may call it.
type HubConfig struct {
	Lanes      int
	TextLen    int // float32 of one lane's texts: B*E
	ColumnsLen int // float64 of the column sums: 2*N
	Keep       int // reduced gradients of closed steps that are kept for followers (proto.MaxBehind)

	OnProgress func(Progress)
	OnConflict func(Disagreement)
	Log        hclog.Logger
}

// Progress says how far an exchange is. It is told whenever a lane is complete or flagged, and at the end.
type Progress struct {
	Step         int
	Exchange     proto.Exchange
	Missing      []int // lanes that are not in with every chunk
	Complete     bool  // the outcome and all flags are there: workers may have it
	NonFinite    []int // lanes whose senders flagged them
	SumNonFinite bool  // a reduced value is not finite
	Losses       []float64
}

// Disagreement says that two workers gave different bits for the same lanes: one of them computes wrongly.
type Disagreement struct {
	Step     int
	Exchange proto.Exchange
	Node     proto.Node
	Workers  [2]string // whose value counts, and who differs
}

// Hub gathers what workers contribute, gives the outcome out, and forgets it when told. It never asks for anything and never
// waits for anybody: a chunk that does not fit is refused with the reason, and its sender's business.
//
// It holds at most the window's chunks of each part in arrival and two vectors, and Keep vectors while there are followers.
type Hub struct {
	cfg    HubConfig
	wire   wire
	run    string
	log    hclog.Logger
	cancel []func()

	mu        sync.Mutex
	epoch     uint64
	open      int
	opened    bool
	following bool
	rounds    map[roundKey]*round
	gradients *spare[float32] // buffers of the sums
	columns   *spare[float64]
	counts    map[string]uint64
}

// NewHub begins to listen. Until Open every part and every request is answered "not open".
func NewHub(bus *Bus, cfg HubConfig) (*Hub, error) { return newHub(bus, bus.run, cfg) }

func newHub(w wire, run string, cfg HubConfig) (*Hub, error) {
	if cfg.Lanes < 1 || cfg.Lanes > proto.MaxLanes || cfg.TextLen < 1 || cfg.ColumnsLen < 1 || cfg.Keep < 0 {
		return nil, fmt.Errorf("a hub over %d lanes, texts of %d and columns of %d values, %d steps kept: lanes are 1 to %d, the others at least 1",
			cfg.Lanes, cfg.TextLen, cfg.ColumnsLen, cfg.Keep, proto.MaxLanes)
	}
	h := &Hub{cfg: cfg, wire: w, run: run, log: cfg.Log, following: true, rounds: map[roundKey]*round{},
		gradients: new(spare[float32]), columns: new(spare[float64]), counts: map[string]uint64{}}
	if h.log == nil {
		h.log = hclog.NewNullLogger()
	}
	for _, s := range []struct {
		subject string
		handle  func(message)
	}{{proto.PartSubject(run, "*"), h.onPart}, {proto.PullSubject(run, "*"), h.onPull}} {
		cancel, err := w.subscribe(s.subject, s.handle)
		if err != nil {
			h.Close()
			return nil, fmt.Errorf("opening the exchanges of run %s: %w", run, err)
		}
		h.cancel = append(h.cancel, cancel)
	}
	return h, nil
}

// Close ends listening. Nothing can be had from the hub afterwards.
func (h *Hub) Close() {
	for _, cancel := range h.cancel {
		cancel()
	}
}

// Open opens the exchanges of a step, and the texts of the one after it. note travels with the reduced vectors (at most 2048
// bytes). Another epoch than before forgets all that is held.
func (h *Hub) Open(epoch uint64, step, gradientLen int, note []byte) error {
	if gradientLen < 1 || len(note) > maxNote {
		return fmt.Errorf("opening step %d with %d gradients and a note of %d bytes: at least 1, at most %d", step, gradientLen, len(note), maxNote)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if epoch != h.epoch {
		h.forget(func(roundKey) bool { return true })
	}
	h.epoch, h.open, h.opened = epoch, step, true
	add := func(step int, x proto.Exchange, gather func() gathering, note []byte) {
		key := roundKey{step, x}
		if h.rounds[key] == nil {
			h.rounds[key] = newRound(key, epoch, h.cfg.Lanes, gather(), note)
		}
	}
	texts := func() gathering { return newJoining(h.cfg.Lanes, h.cfg.TextLen) }
	add(step, proto.Texts, texts, nil)
	add(step+1, proto.Texts, texts, nil)
	add(step, proto.Columns, func() gathering { return newSumming(h.cfg.Lanes, h.cfg.ColumnsLen, h.columns) }, nil)
	add(step, proto.Gradients, func() gathering { return newSumming(h.cfg.Lanes, gradientLen, h.gradients) }, note)
	return nil
}

// CloseSteps forgets the steps up to and including upTo, which are committed: all members have what they need of them. Their
// reduced gradients stay for followers, the last Keep of them, and the texts of upTo stay until the next step is closed.
func (h *Hub) CloseSteps(upTo int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	keep := 0
	if h.following {
		keep = h.cfg.Keep
	}
	h.forget(func(key roundKey) bool {
		switch key.exchange {
		case proto.Texts:
			return key.step < upTo
		case proto.Gradients:
			return key.step <= upTo-keep || (key.step <= upTo && !h.rounds[key].complete())
		}
		return key.step <= upTo
	})
}

// Following says whether there are followers: without them no closed step is kept. A new hub takes it that there are.
func (h *Hub) Following(following bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.following = following
	if !following {
		h.forget(func(key roundKey) bool { return key.exchange == proto.Gradients && key.step < h.open })
	}
}

func (h *Hub) forget(closed func(roundKey) bool) {
	for key, r := range h.rounds {
		if closed(key) {
			if s, ok := r.gathering.(interface{ release() }); ok {
				s.release()
			}
			delete(h.rounds, key)
		}
	}
}

// Counts returns how often each answer was given to a part, by its words, and how many frames could not be read.
func (h *Hub) Counts() map[string]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	counts := make(map[string]uint64, len(h.counts))
	for reason, n := range h.counts {
		counts[reason] = n
	}
	return counts
}

// onPart takes one chunk of a part, answers its sender, and tells everybody what changed.
func (h *Hub) onPart(m message) {
	f, err := parseFrame(m.data)
	if err == nil && f.kind != partFrame {
		err = errors.New("the frame is no part")
	}
	if err != nil { // its sender cannot be told which one it was; it will send it again
		h.unreadable(m, err)
		return
	}
	worker := nameIn(m.subject)
	h.mu.Lock()
	r, v := h.take(worker, &f)
	h.counts[v.status.String()]++
	answer := h.answer(ackFrame, &f, r, v.status)
	var ready []byte
	if v.ready {
		ready = h.notice(&f, r)
	}
	var p Progress
	if v.progress {
		p = r.progress()
	}
	h.mu.Unlock()

	h.send(m.reply, answer)
	if ready != nil {
		h.publish(proto.ReadySubject(h.run), ready)
	}
	if v.status == badPart || v.status == differs {
		h.log.Warn("part not taken", "worker", worker, "exchange", f.exchange, "step", f.step, "lanes", f.node, "chunk", f.chunk, "reason", v.status)
	}
	if v.status == differs && h.cfg.OnConflict != nil {
		h.cfg.OnConflict(Disagreement{f.step, f.exchange, f.node, [2]string{v.first, worker}})
	}
	if v.progress && h.cfg.OnProgress != nil {
		h.cfg.OnProgress(p)
	}
}

// maxInline is how long an outcome may be that goes out to all as soon as it is there.
const maxInline = 64 << 10

// notice tells all workers how far an exchange is. A short outcome is its own notice: nobody needs to ask for it.
func (h *Hub) notice(f *frame, r *round) []byte {
	if r.complete() && len(r.messages) == 1 && len(r.messages[0]) <= maxInline {
		return r.messages[0]
	}
	return h.answer(readyFrame, f, r, accepted).encode()
}

func (h *Hub) take(worker string, f *frame) (*round, verdict) {
	r, s := h.find(f)
	if r == nil {
		return nil, verdict{status: s}
	}
	return r, r.add(worker, f)
}

// find returns the round that a frame speaks of, or why there is none.
func (h *Hub) find(f *frame) (*round, status) {
	key := roundKey{f.step, f.exchange}
	ahead := h.open
	if f.exchange == proto.Texts {
		ahead++
	}
	switch {
	case f.exchange < proto.Texts || f.exchange > proto.Gradients:
		return nil, badPart
	case !h.opened || f.epoch > h.epoch:
		return nil, notOpen
	case f.epoch < h.epoch:
		return nil, staleEpoch
	case f.step > ahead:
		return nil, notOpen
	case h.rounds[key] == nil:
		return nil, gone
	}
	return h.rounds[key], accepted
}

// onPull gives out a reduced chunk, or says why not.
func (h *Hub) onPull(m message) {
	f, err := parseFrame(m.data)
	if err == nil && f.kind != pullFrame {
		err = errors.New("the frame is no request")
	}
	if err != nil {
		h.unreadable(m, err)
		return
	}
	h.mu.Lock()
	r, s := h.find(&f)
	if r != nil && f.status != howFar && f.chunk < r.low {
		reduced := r.messages[f.chunk]
		h.mu.Unlock()
		h.publish(m.reply, reduced)
		return
	}
	if r != nil {
		s = pending
	}
	if r != nil && f.status == howFar {
		s = howFar
	}
	answer := h.answer(reducedFrame, &f, r, s)
	h.mu.Unlock()
	h.send(m.reply, answer)
}

// answer is a frame without values about what f asked for. An ack bears the epoch of the part, the others that of the hub.
func (h *Hub) answer(kind frameKind, f *frame, r *round, s status) *frame {
	a := &frame{kind: kind, exchange: f.exchange, status: s, epoch: h.epoch, step: f.step, node: f.node, chunk: f.chunk, chunks: f.chunks}
	if kind == ackFrame {
		a.epoch = f.epoch
	}
	if r == nil || (kind == ackFrame && f.exchange == proto.Texts) { // a lane's texts are cut otherwise than all texts
		return a
	}
	c := r.reducedCut()
	a.chunks, a.length, a.low = c.chunks(), c.length, r.low
	a.chunk = min(a.chunk, a.chunks)
	return a
}

func (r *round) progress() Progress {
	p := Progress{Step: r.step, Exchange: r.exchange, Missing: r.missing(), Complete: r.complete(), NonFinite: r.flagged(), SumNonFinite: r.sumNonFinite}
	if p.Complete {
		p.Losses = append(p.Losses, r.losses()...)
	}
	return p
}

func (h *Hub) unreadable(m message, err error) {
	h.mu.Lock()
	h.counts["unreadable"]++
	h.mu.Unlock()
	h.log.Warn("frame dropped", "subject", m.subject, "bytes", len(m.data), "error", err)
}

func (h *Hub) send(subject string, f *frame) { h.publish(subject, f.encode()) }

// publish sends; where that fails (the connection is away) the other side asks again.
func (h *Hub) publish(subject string, data []byte) {
	if subject == "" {
		return
	}
	if err := h.wire.publish(subject, "", data); err != nil {
		h.log.Debug("answer not sent", "subject", subject, "error", err)
	}
}
