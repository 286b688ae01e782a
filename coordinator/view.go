package coordinator

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/coordinator/core"
	"github.com/textground/textground/proto"
)

// view is what people and scripts see of the run: it gathers the last orders and reports and writes the run's files.
type view struct {
	c       *Coordinator
	losses  *lossBook
	last    proto.Orders
	why     string
	reports map[string]proto.Report
	bad     badSamples
	commits []time.Time // of the latest steps, for the speed
	latest  Metrics
	dirty   bool
	written time.Time

	mu       sync.Mutex // guards what the sealing goroutine touches
	manifest *checkpoint.Manifest
}

// Steps whose mean speed is shown, and the least time between two writes of status.json.
const (
	speedSteps  = 10
	statusEvery = 100 * time.Millisecond
)

func newView(c *Coordinator) view {
	return view{c: c, losses: &lossBook{}, reports: map[string]proto.Report{}, bad: badSamples{told: map[string]int{}}, manifest: c.Saver.Newest}
}

func (v *view) report(r proto.Report) error {
	if old, ok := v.reports[r.Worker]; ok && old.Instance == r.Instance && old.Sequence >= r.Sequence {
		return nil
	}
	v.reports[r.Worker] = r
	v.dirty = true
	return v.tellBadSamples(r, 2*v.bad.told[r.Instance])
}

func (v *view) orders(o proto.Orders, why string) {
	v.last, v.dirty = o, true
	if why != "" {
		v.why = why
	}
}

func (v *view) note(n core.Note) error {
	fault := slices.Contains([]core.Kind{core.Died, core.Broke, core.FellBack, core.Abandoned, core.Alarm, core.Refused, core.Raced}, n.Kind)
	entry := Entry{Time: v.now(), Epoch: v.c.Machine.Epoch, Step: n.Step, Kind: string(n.Kind), Fault: fault, Text: n.Text, Worker: n.Worker, Lanes: n.Lanes}
	v.c.Log.Info(n.Text, "kind", n.Kind, "step", n.Step)
	return appendLine(v.c.Dir, JournalFile, entry)
}

// commit writes the step's line of metrics. A step that is committed again after a fallback stands there already.
func (v *view) commit(a core.Commit) error {
	v.commits = append(v.commits, v.c.Now())
	if len(v.commits) > speedSteps+1 {
		v.commits = v.commits[1:]
	}
	update := v.updateOf(a)
	m := Metrics{Step: a.Step, Time: v.now(), Losses: namedLosses(v.losses.take(a.Step)), Rate: math.Float64frombits(v.c.Machine.Rates(a.Step).RateBits),
		GradNorm: update.GradNorm, Scale: update.Scale, Bias: update.Bias, Gates: update.Gates,
		ImagesPerSecond: v.speed(), Members: len(v.last.Members), Digest: a.Digest}
	v.latest = m
	if a.Again {
		return nil
	}
	return appendLine(v.c.Dir, MetricsFile, m)
}

// updateOf finds what a member said of the update that is being committed; they all say the same.
func (v *view) updateOf(a core.Commit) proto.Update {
	for _, r := range v.reports {
		if r.Applied == a.Step && r.Digest == a.Digest {
			return r.Update
		}
	}
	return proto.Update{}
}

func (v *view) speed() float64 {
	if len(v.commits) < 2 {
		return 0
	}
	took := v.commits[len(v.commits)-1].Sub(v.commits[0]).Seconds()
	return float64(v.c.File.Batch*(len(v.commits)-1)) / max(took, 1e-9)
}

func (v *view) sealed(m *checkpoint.Manifest) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.manifest = m
}

func (v *view) sealedManifest() *checkpoint.Manifest {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.manifest
}

func (v *view) now() string { return v.c.Now().UTC().Format(time.RFC3339Nano) }

// write replaces status.json if something has changed, at most ten times a second.
func (v *view) write() {
	if !v.dirty || v.c.Now().Sub(v.written) < statusEvery {
		return
	}
	v.dirty, v.written = false, v.c.Now()
	if err := writeJSON(v.c.Dir, StatusFile, v.status()); err != nil {
		v.c.Log.Warn("the status could not be written", "error", err)
	}
}

func (v *view) status() Status {
	s := Status{Run: v.c.Config.Run, Mode: string(v.last.Mode), Epoch: v.c.Machine.Epoch, PID: v.c.PID, Page: v.c.pageURL, Step: v.last.Step,
		Committed: v.last.Committed, Steps: v.c.Machine.Steps, ImagesPerSecond: v.speed(), Why: v.why, Waiting: v.c.machine.Waiting(), Sealed: proto.Initial, Time: v.now(), Workers: []WorkerStatus{}}
	if m := v.sealedManifest(); m != nil {
		s.Sealed = m.Step - 1
	}
	for _, w := range v.c.machine.Workers() {
		s.Workers = append(s.Workers, WorkerStatus{Name: w.Name, PID: w.PID, Step: w.Applied, Lanes: append([]int{}, w.Lanes...), Device: w.Device, Host: w.Host, Role: w.Role, Doing: w.Doing, BadSamples: v.reports[w.Name].BadSamples})
	}
	slices.SortFunc(s.Workers, func(a, b WorkerStatus) int { return compareNatural(a.Name, b.Name) })
	return s
}

// compareNatural sorts worker-2 before worker-10.
func compareNatural(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return slices.Compare([]byte(a), []byte(b))
}

func (v *view) result() Result {
	v.dirty, v.written = true, time.Time{}
	v.write()
	r := Result{Run: v.c.Config.Run, Step: v.last.Committed + 1, Losses: v.latest.Losses, Seconds: v.c.Now().Sub(v.c.started).Seconds(),
		ImagesPerSecond: v.speed(), Workers: len(v.last.Members)}
	if m := v.sealedManifest(); m != nil {
		r.ParamsSHA256 = m.ParamsSHA256
	}
	return r
}

// lossBook keeps the loss terms of reduced gradients until their step is committed. The hub writes, the loop reads.
type lossBook struct {
	mu    sync.Mutex
	steps map[int][]float64
}

func (b *lossBook) put(step int, sums []float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.steps == nil {
		b.steps = map[int][]float64{}
	}
	b.steps[step] = slices.Clone(sums)
}

func (b *lossBook) take(step int) []float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	sums := b.steps[step]
	delete(b.steps, step)
	return sums
}
