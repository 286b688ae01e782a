package exchange

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/textground/textground/proto"
	"pgregory.net/rapid"
)

// quiet is a wire to nobody: what the hub answers is kept.
type quiet struct{ answers []frame }

func (q *quiet) publish(_, _ string, data []byte) error {
	f, err := parseFrame(slices.Clone(data))
	q.answers = append(q.answers, f)
	return err
}

func (*quiet) subscribe(string, func(message)) (func(), error) { return func() {}, nil }
func (*quiet) inbox() string                                   { return "inbox" }
func (*quiet) watch(func(error)) func()                        { return func() {} }

// alone is a hub without a bus.
func alone(t testing.TB, lanes, gradients int) (*world, *quiet) {
	w := &world{t: t, lanes: lanes, progress: map[roundKey]Progress{}}
	w.changed = newCond(w)
	q := new(quiet)
	w.hub = w.startHub(q, testRun)
	open(t, w.hub, testEpoch, 0, gradients)
	return w, q
}

// give hands the hub one chunk of a part and returns the answer.
func (w *world) give(q *quiet, worker string, p Part, chunk int, alter func(*frame)) status {
	w.t.Helper()
	c := &Client{place: central{testRun, worker}}
	s := &Sending{client: c, part: p, epoch: testEpoch, key: roundKey{p.Step, p.Exchange}, dtype: typeFor(p.Exchange)}
	s.cut = cutFor(len(p.Float32)+len(p.Float64), s.dtype)
	s.chunks = make([]chunkState, s.cut.chunks())
	data := c.encode(s, chunk, nil).data
	if alter != nil {
		f, err := parseFrame(data)
		if err != nil {
			w.t.Fatal(err)
		}
		alter(&f)
		data = f.encode()
	}
	before := len(q.answers)
	w.hub.onPart(message{subject: proto.PartSubject(testRun, worker), reply: "r", data: data})
	if len(q.answers) == before {
		return lastStatus + 1
	}
	return q.answers[before].status
}

func leaf(k int) proto.Node { return proto.Node{Lo: k, Hi: k + 1} }

// Every part that cannot be one is refused with its reason and counted; the sum does not notice.
func TestImpossiblePartsAreRefusedByName(t *testing.T) {
	w, q := alone(t, 4, gradientLen)
	part := gradientPart(0, leaf(1), gradientLen)
	for _, c := range []struct {
		name  string
		chunk int
		alter func(*frame)
		want  status
	}{
		{"other epoch, lower", 0, func(f *frame) { f.epoch-- }, staleEpoch},
		{"other epoch, higher", 0, func(f *frame) { f.epoch++ }, notOpen},
		{"later step", 0, func(f *frame) { f.step++ }, notOpen},
		{"earlier step", 0, func(f *frame) { f.step-- }, gone},
		{"far step", 0, func(f *frame) { f.step = math.MinInt64 }, gone},
		{"no exchange", 0, func(f *frame) { f.exchange = 0 }, badPart},
		{"other exchange", 0, func(f *frame) { f.exchange = proto.Columns }, badPart},
		{"no node", 0, func(f *frame) { f.node = proto.Node{Lo: 1, Hi: 3} }, badPart},
		{"empty node", 0, func(f *frame) { f.node = proto.Node{Lo: 1, Hi: 1} }, badPart},
		{"lane out of range", 0, func(f *frame) { f.node = leaf(4) }, badPart},
		{"other length", 0, func(f *frame) { f.length++ }, badPart},
		{"other number of chunks", 0, func(f *frame) { f.chunks++ }, badPart},
		{"chunk out of range", 0, func(f *frame) { f.chunk = f.chunks }, badPart},
		{"too few values", 0, func(f *frame) { f.values = f.values[4:] }, badPart},
		{"half a value", 0, func(f *frame) { f.values = f.values[1:] }, badPart},
		{"other type", 0, func(f *frame) { f.dtype = float64s }, badPart},
		{"flags too early", 0, func(f *frame) { f.trailer = make([]byte, 65) }, badPart},
		{"no flags", 2, func(f *frame) { f.trailer = nil }, badPart},
		{"no part", 0, func(f *frame) { f.kind = pullFrame }, lastStatus + 1},
	} {
		if got := w.give(q, "one", part, c.chunk, c.alter); got != c.want {
			t.Errorf("%s: answered %d, want %d", c.name, got, c.want)
		}
	}
	w.hub.onPart(message{subject: "x", reply: "r", data: []byte("TG")})
	w.hub.onPull(message{subject: "x", reply: "r", data: nil})
	counts := w.hub.Counts()
	if counts["bad part"] != 13 || counts["unreadable"] != 3 || counts["accepted"] != 0 || w.hub.Held() != 2*4*4*textLen {
		t.Errorf("counted %v, %d bytes held", counts, w.hub.Held())
	}
	if got := w.give(q, "one", part, 0, nil); got != accepted {
		t.Errorf("a good part after the bad ones: %v", got)
	}
}

// While one worker is late the others may send the window's chunks and no more, so memory stays bounded; the lowest chunk
// always has room.
func TestTheWindowBoundsTheHubsMemory(t *testing.T) {
	const chunks, lanes = proto.WindowChunks + 4, 4
	const length = chunks * proto.ChunkBytes / 4
	w, q := alone(t, lanes, length)
	base := w.hub.Held()
	early, late := gradientPart(0, proto.Node{Lo: 0, Hi: 2}, length), gradientPart(0, proto.Node{Lo: 2, Hi: 4}, length)
	for c := range chunks {
		want := accepted
		if c >= proto.WindowChunks {
			want = full
		}
		if got := w.give(q, "early", early, c, nil); got != want {
			t.Fatalf("chunk %d: %v, want %v", c, got, want)
		}
	}
	if held := w.hub.Held() - base; held != proto.WindowChunks*proto.ChunkBytes {
		t.Errorf("%d bytes held, want %d", held, proto.WindowChunks*proto.ChunkBytes)
	}
	for c := range chunks {
		if got := w.give(q, "late", late, c, nil); got != accepted {
			t.Fatalf("late chunk %d: %v", c, got)
		}
		if c+proto.WindowChunks < chunks {
			if got := w.give(q, "early", early, c+proto.WindowChunks, nil); got != accepted {
				t.Fatalf("early chunk %d: %v", c+proto.WindowChunks, got)
			}
		}
	}
	if p := w.progress[roundKey{0, proto.Gradients}]; !p.Complete || len(p.Missing) > 0 {
		t.Errorf("progress %+v", p)
	}
	if made := w.hub.gradients.made * 4; made > (proto.WindowChunks+2)*proto.ChunkBytes {
		t.Errorf("%d bytes of buffers made", made)
	}
	w.hub.CloseSteps(0)
	w.hub.Following(false)
	open(t, w.hub, testEpoch, 1, length)
	w.hub.CloseSteps(1)
	open(t, w.hub, testEpoch, 2, length)
	if held := w.hub.Held(); held > 3*4*lanes*textLen {
		t.Errorf("%d bytes held after all is closed", held)
	}
}

// Two workers that give different bits for one lane are both named; the first value counts. That holds while the first is
// held, and after it has gone into a sum.
func TestADifferentSecondValueIsAnAlarm(t *testing.T) {
	w, q := alone(t, 2, 100)
	good := columnPart(0, leaf(0))
	bad := good
	bad.Float64 = slices.Clone(good.Float64)
	bad.Float64[7] = math.Nextafter(bad.Float64[7], 100)
	w.give(q, "first", good, 0, nil)
	if got := w.give(q, "same", good, 0, nil); got != known {
		t.Errorf("the same value again: %v", got)
	}
	if got := w.give(q, "liar", bad, 0, nil); got != differs {
		t.Errorf("another value: %v", got)
	}
	w.give(q, "first", columnPart(0, leaf(1)), 0, nil)
	if got := w.give(q, "late liar", bad, 0, nil); got != differs {
		t.Errorf("another value after the sum: %v", got)
	}
	want := []Disagreement{{0, proto.Columns, leaf(0), [2]string{"first", "liar"}}, {0, proto.Columns, leaf(0), [2]string{"first", "late liar"}}}
	if !slices.Equal(w.alarms, want) {
		t.Errorf("alarms %v, want %v", w.alarms, want)
	}
}

// Values that are not finite are flagged by their sender or found in the sum, and reach the coordinator and all workers.
func TestNonFiniteValuesAreFlaggedToAll(t *testing.T) {
	w := newWorld(t, 2, 100)
	c := w.worker("one")
	p := gradientPart(0, leaf(1), 100)
	p.Float32[3], p.NonFinite = float32(math.NaN()), []int{1}
	c.Contribute(p)
	w.until("the flag", func() bool { return slices.Equal(w.progress[roundKey{0, proto.Gradients}].NonFinite, []int{1}) })
	c.Contribute(gradientPart(0, leaf(0), 100))
	got, err := c.Await(timeout(t), 0, proto.Gradients)
	if err != nil || !slices.Equal(got.NonFinite, []int{1}) || !got.SumNonFinite {
		t.Errorf("%v: lanes %v, sum %v", err, got.NonFinite, got.SumNonFinite)
	}

	for k := range 2 { // finite lanes, an infinite sum
		p := columnPart(0, leaf(k))
		p.Float64[0] = math.MaxFloat64
		c.Contribute(p)
	}
	columns, err := c.Await(timeout(t), 0, proto.Columns)
	if err != nil || len(columns.NonFinite) > 0 || !columns.SumNonFinite {
		t.Errorf("%v: lanes %v, sum %v", err, columns.NonFinite, columns.SumNonFinite)
	}
	w.until("the sum's flag", func() bool { return w.progress[roundKey{0, proto.Columns}].SumNonFinite })
}

// Chunks leave while the rest of the vector is being computed, from its end on.
func TestChunksLeaveBeforeTheVectorIsComplete(t *testing.T) {
	w := newWorld(t, 1, gradientLen)
	c := w.worker("one")
	p := gradientPart(0, proto.Root(1), gradientLen)
	s := c.Begin(p)
	clear(p.Float32[:gradientLen-proto.ChunkBytes/4])
	s.Ready(gradientLen-proto.ChunkBytes/4, gradientLen)
	w.untilCounted("accepted", 1)
	copy(p.Float32, gradientPart(0, proto.Root(1), gradientLen).Float32)
	s.Ready(0, gradientLen-proto.ChunkBytes/4)
	w.untilCounted("accepted", 2)
	select {
	case <-s.Done():
		t.Error("a part without its end is done")
	default:
	}
	s.End(p.Tail, nil)
	if err := w.checkGradients(timeout(t), c, 0, gradientLen); err != nil {
		t.Fatal(err)
	}
}

// A follower gets the gradients of closed steps as long as they are kept, and is told when they are not.
func TestFollowersGetWhatIsKept(t *testing.T) {
	w := newWorld(t, 1, 100)
	member, follower := w.worker("member"), w.worker("follower")
	const steps = proto.MaxBehind + 2
	for step := range steps {
		if step > 0 {
			open(t, w.hub, testEpoch, step, 100)
		}
		if err := member.Contribute(gradientPart(step, proto.Root(1), 100)).Wait(timeout(t)); err != nil {
			t.Fatal(err)
		}
		w.hub.CloseSteps(step)
	}
	for step := range steps {
		err := w.checkGradients(timeout(t), follower, step, 100)
		if kept := step >= steps-proto.MaxBehind; (kept && err != nil) || (!kept && !errors.Is(err, ErrGone)) {
			t.Errorf("step %d: %v", step, err)
		}
	}
	if err := member.Contribute(gradientPart(0, proto.Root(1), 100)).Wait(timeout(t)); !errors.Is(err, ErrGone) {
		t.Errorf("a part for a closed step ends with %v", err)
	}
	open(t, w.hub, testEpoch, steps, 100)
	w.hub.Following(false)
	if err := w.checkGradients(timeout(t), follower, steps-1, 100); !errors.Is(err, ErrGone) {
		t.Errorf("without followers: %v", err)
	}
}

// A step that is not open yet is waited for, with a part and without.
func TestAStepThatOpensLaterIsWaitedFor(t *testing.T) {
	w := newWorld(t, 1, 100)
	c := w.worker("one")
	s := c.Contribute(gradientPart(1, proto.Root(1), 100))
	w.untilCounted("step not open", 1)
	done := make(chan error, 1)
	go func() { done <- w.checkGradients(timeout(t), c, 1, 100) }()
	w.hub.CloseSteps(0)
	open(t, w.hub, testEpoch, 1, 100)
	if err := next(t, done, "gradient"); err != nil {
		t.Error(err)
	}
	if err := s.Wait(timeout(t)); err != nil {
		t.Error(err)
	}
}

// Wrong use by the worker's own code is an error before anything is sent.
func TestImpossibleContributionsAreRefusedHere(t *testing.T) {
	w := newWorld(t, 4, 100)
	c := w.worker("one")
	going := c.Begin(gradientPart(0, leaf(2), 100))
	for name, p := range map[string]Part{
		"no node":          gradientPart(0, proto.Node{Lo: 1, Hi: 3}, 100),
		"two lanes' texts": {Exchange: proto.Texts, Node: proto.Node{Lo: 0, Hi: 2}, Float32: make([]float32, 2*textLen)},
		"short texts":      {Exchange: proto.Texts, Node: leaf(0), Float32: make([]float32, 3)},
		"float32 columns":  {Exchange: proto.Columns, Node: leaf(0), Float32: make([]float32, columnsLen)},
		"no values":        {Exchange: proto.Gradients, Node: leaf(0)},
		"no exchange":      {Node: leaf(0), Float32: make([]float32, 3)},
	} {
		if err := c.Begin(p).Err(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := c.Begin(gradientPart(0, leaf(2), 100)).Err(); !errors.Is(err, ErrBusy) {
		t.Errorf("a part that is under way: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := going.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting beyond ctx: %v", err)
	}
	if _, err := c.Await(ctx, 0, proto.Gradients); !errors.Is(err, context.Canceled) {
		t.Errorf("awaiting beyond ctx: %v", err)
	}
}

// The cut covers every value once, from the end.
func TestTheCutCoversEveryValueOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := cut{rapid.IntRange(0, 50).Draw(t, "length"), rapid.IntRange(1, 9).Draw(t, "each")}
		at := c.length
		for i := range c.chunks() {
			lo, hi := c.of(i)
			if hi != at || lo > hi || hi-lo > c.each {
				t.Fatalf("chunk %d is [%d,%d), expected to end at %d", i, lo, hi, at)
			}
			at = lo
			if lo < hi {
				if from, to := c.over(lo, hi); from != i || to != i+1 {
					t.Fatalf("[%d,%d) is said to lie in chunks [%d,%d), want %d", lo, hi, from, to, i)
				}
			}
		}
		if at != 0 {
			t.Fatalf("values below %d are in no chunk", at)
		}
	})
}

// The wire is little-endian on every machine.
func TestValuesOnTheWireAreLittleEndian(t *testing.T) {
	native := littleEndian
	defer func() { littleEndian = native }()
	for _, littleEndian = range []bool{native, false} {
		wire := appendValues(appendValues(nil, []float32{1, -2}), []float64{-0.5})
		if want := []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0xe0, 0xbf}; !slices.Equal(wire, want) {
			t.Errorf("written %x, want %x", wire, want)
		}
		singles, double := make([]float32, 2), make([]float64, 1)
		readValues(singles, wire)
		readValues(double, wire[8:])
		if !slices.Equal(singles, []float32{1, -2}) || double[0] != -0.5 {
			t.Errorf("read %v %v", singles, double)
		}
	}
}

// Whatever comes in, the parser and the hub answer or refuse, and a frame that is read is written back as it was.
func FuzzFrames(f *testing.F) {
	part := frame{kind: partFrame, exchange: proto.Columns, dtype: float64s, epoch: testEpoch, node: leaf(0), chunks: 1, length: columnsLen,
		values: make([]byte, 8*columnsLen), trailer: []byte{0}}
	f.Add(part.encode(), false)
	f.Add((&frame{kind: pullFrame, exchange: proto.Texts, epoch: testEpoch, step: 1}).encode(), true)
	f.Add((&frame{kind: copyFrame, epoch: 9, chunk: 3, chunks: 3, node: proto.Node{Lo: 4096, Hi: 4096}}).encode(), false)
	f.Fuzz(func(t *testing.T, data []byte, repair bool) {
		if repair && len(data) >= crcBytes { // otherwise the checksum keeps nearly everything out
			data = sealFrame(slices.Clone(data[:len(data)-crcBytes]))
		}
		got, err := parseFrame(data)
		if err == nil && !slices.Equal(got.encode(), data) {
			t.Errorf("read %+v and wrote other bytes", got)
		}
		w, _ := alone(t, 2, 100)
		m := message{subject: proto.PartSubject(testRun, "one"), reply: "r", data: data}
		w.hub.onPart(m)
		w.hub.onPull(m)
		c := &Client{cfg: ClientConfig{Lanes: 2}, extents: map[roundKey]extent{}, awaits: map[roundKey]*waiting{}, buffer64: map[proto.Exchange][]float64{}}
		if err == nil {
			c.onReady(got)
			c.onAck(got)
			c.onReduced(got)
			k := c.newFetch(roundKey{got.step, proto.Columns}, newWaiting())
			if got.length < 1<<16 {
				_ = k.take(got) // an error or none, but no panic
			}
		}
	})
}
