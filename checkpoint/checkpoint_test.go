package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gorgonia.org/tensor"
	"pgregory.net/rapid"

	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/store"
	"github.com/textground/textground/store/storetest"
)

// Small volumes, so that a state of some hundred values has several of them.
func TestMain(m *testing.M) {
	limits = volumeLimits{enoughBytes: 200, maxBytes: 400}
	os.Exit(m.Run())
}

var (
	history  = Lineage{Run: "run-1", Number: 0}
	identity = Identity{Seed: math.MaxUint64, Dataset: "d5", Frozen: "f0", RunFile: "4f", DeviceClass: "test"}
)

// stateAt is the state that training reaches at a step: whoever computes it gets the same bits.
func stateAt(step int) *State {
	s := &State{Step: step, Names: []string{"block.weight", "gate", "proj"}}
	for i, shape := range [][]int{{4, 10}, {}, {7, 3}} {
		s.Params = append(s.Params, ramp(shape, step, i, 1))
		s.M1 = append(s.M1, ramp(shape, step, i, 1e-3))
		s.M2 = append(s.M2, ramp(shape, step, i, 1e-6))
		s.Updates = append(s.Updates, step*(i+1))
	}
	return s
}

func ramp(shape []int, step, number int, scale float32) *tensor.Dense {
	values := make([]float32, elements(shape))
	for i := range values {
		values[i] = scale * float32(1000*step+100*number+i) / 7
	}
	return dense.Of(values, shape...)
}

// firstVolume is the first of the volumes that a state is cut into.
func firstVolume(s *State) Volume {
	var shapes [][]int
	for _, p := range s.Params {
		shapes = append(shapes, dense.Shape(p))
	}
	return PlanVolumes(s.Names, shapes)[0]
}

// asValues lets states be compared: host tensors by their shapes and values.
var asValues = cmp.Transformer("values", func(d *tensor.Dense) any {
	return struct {
		Shape  []int
		Values []float32
	}{dense.Shape(d), dense.Floats(d)}
})

// save seals stateAt(step) under epoch and nonce.
func save(ctx context.Context, st store.Store, step, epoch int, nonce string) (*Manifest, error) {
	return saveState(ctx, st, stateAt(step), epoch, nonce)
}

func saveState(ctx context.Context, st store.Store, s *State, epoch int, nonce string) (*Manifest, error) {
	m := NewManifest(history, Writer{Epoch: epoch, Nonce: nonce}, s, identity)
	m.Sealed = time.Unix(int64(1_700_000_000+epoch), 0)
	m.Metrics = map[string]Float{"total": Float(1.0 / 3), "grad_norm": 5}
	return Save(ctx, st, m, s)
}

func mustSave(t *testing.T, st store.Store, step, epoch int) *Manifest {
	t.Helper()
	m, err := save(t.Context(), st, step, epoch, fmt.Sprintf("w%d", step))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustClaim(t *testing.T, st store.Store) int {
	t.Helper()
	epoch, err := ClaimEpoch(t.Context(), st, history, "claimant")
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}

// wantLatest checks where a run would go on and which steps it would pass over.
func wantLatest(t *testing.T, st store.Store, step int, skipped ...int) Found {
	t.Helper()
	found, err := Latest(t.Context(), st, history)
	if err != nil {
		t.Fatal(err)
	}
	if found.Manifest == nil || found.Manifest.Step != step {
		t.Fatalf("goes on from %+v, want step %d; skipped %v", found.Manifest, step, found.Skipped)
	}
	if diff := cmp.Diff(stateAt(step), found.State, asValues); diff != "" {
		t.Errorf("the state of step %d (-want +got):\n%s", step, diff)
	}
	var got []int
	for _, s := range found.Skipped {
		got = append(got, s.Step)
	}
	if !slices.Equal(got, skipped) {
		t.Errorf("skipped %v, want %v", found.Skipped, skipped)
	}
	return found
}

// onEveryStore runs a test on memory, on a directory, and on a real S3 server where there is one.
func onEveryStore(t *testing.T, test func(t *testing.T, fresh func() store.Store)) {
	t.Run("memory", func(t *testing.T) {
		test(t, store.NewMem)
	})
	t.Run("directory", func(t *testing.T) {
		test(t, func() store.Store { return openStore(t, t.TempDir()) })
	})
	t.Run("bucket", func(t *testing.T) {
		bucket := storetest.SetS3(t)
		n := 0
		test(t, func() store.Store {
			n++
			return openStore(t, fmt.Sprintf("%s/%d", bucket, n))
		})
	})
}

func openStore(t testing.TB, url string) store.Store {
	t.Helper()
	st, err := store.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestAResumeGetsTheBitsThatWereSaved(t *testing.T) {
	onEveryStore(t, func(t *testing.T, fresh func() store.Store) {
		st := fresh()
		if found, err := Latest(t.Context(), st, history); err != nil || found.Manifest != nil || len(found.Skipped) > 0 {
			t.Errorf("an empty store gave %+v, %v", found, err)
		}
		for _, step := range []int{5, 10, 1_000_000} {
			mustSave(t, st, step, 1)
		}
		found := wantLatest(t, st, 1_000_000)
		if found.Manifest.Identity != identity || found.Manifest.Metrics["total"] != Float(1.0/3) || found.Manifest.ParamsSHA256 != ParamsSHA256(stateAt(1_000_000).Params) {
			t.Errorf("the manifest says %+v", found.Manifest)
		}
		if len(found.Manifest.Volumes) < 3 {
			t.Errorf("only %d volumes: the tests prove little", len(found.Manifest.Volumes))
		}
	})
}

func TestAKillAtAnyPointOfASaveLosesNothing(t *testing.T) {
	onEveryStore(t, func(t *testing.T, fresh func() store.Store) {
		stride := 1
		if fresh().String() != "mem://" {
			stride = 5 // every point is tried in memory; here, that the stores do not behave otherwise
		}
		for _, done := range []bool{false, true} {
			finished := false
			for n := 0; !finished; n += stride {
				finished = killAndResume(t, fresh(), n, done)
			}
		}
	})
}

// killAndResume kills a save with keep=1 at operation n, and resumes. It tells whether the save was over before.
func killAndResume(t *testing.T, st store.Store, n int, done bool) (finished bool) {
	t.Helper()
	ctx := t.Context()
	epoch := mustClaim(t, st)
	mustSave(t, st, 2, epoch)
	dying := storetest.NewFaulty(st, storetest.KillAt(n, done))
	_, err := save(ctx, dying, 3, epoch, "dying")
	if err == nil {
		_, err = NewRetention(1).Apply(ctx, dying, history)
	}
	finished = err == nil
	where := fmt.Sprintf("killed at operation %d (done: %v)", n, done)

	found, err := Latest(ctx, st, history)
	if err != nil || found.Manifest == nil || found.Manifest.Step < 2 || len(found.Skipped) > 0 {
		t.Fatalf("%s: found %+v, %v", where, found, err)
	}
	if diff := cmp.Diff(stateAt(found.Manifest.Step), found.State, asValues); diff != "" {
		t.Fatalf("%s: another state (-want +got):\n%s", where, diff)
	}
	epoch = mustClaimAs(t, st, "resumer")
	if _, err := save(ctx, st, 3, epoch, "resumer"); err != nil {
		t.Fatalf("%s: saving step 3 again: %v", where, err)
	}
	wantLatest(t, st, 3)
	m, err := save(ctx, st, 4, epoch, "resumer")
	if err != nil {
		t.Fatalf("%s: saving step 4: %v", where, err)
	}
	if _, err := NewRetention(1).Apply(ctx, st, history); err != nil {
		t.Fatalf("%s: retention: %v", where, err)
	}
	wantOnly(t, st, m)
	return finished
}

func mustClaimAs(t *testing.T, st store.Store, nonce string) int {
	t.Helper()
	epoch, err := ClaimEpoch(t.Context(), st, history, nonce)
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}

// wantOnly checks that the lineage holds the given checkpoints and not one object more.
func wantOnly(t *testing.T, st store.Store, manifests ...*Manifest) {
	t.Helper()
	var want []string
	for _, m := range manifests {
		want = append(want, history.manifestKey(m.Step))
		for _, record := range m.Volumes {
			want = append(want, m.volumeKey(record))
		}
	}
	slices.Sort(want)
	infos, err := st.List(t.Context(), history.stepsPrefix())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, info := range infos {
		got = append(got, info.Key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

func TestALostAnswerAnywhereIsASuccessOrAnErrorThatARepetitionMends(t *testing.T) {
	for n := 0; ; n++ {
		st := store.NewMem()
		epoch := mustClaim(t, st)
		lossy := storetest.NewFaulty(st, func(op storetest.Op) storetest.Fault {
			if op.Number == n {
				return storetest.LoseAnswer
			}
			return storetest.None
		})
		_, err := save(t.Context(), lossy, 1, epoch, "w1")
		if len(lossy.Ops()) <= n {
			return
		}
		if err != nil {
			if _, err = save(t.Context(), lossy, 1, epoch, "w1"); err != nil {
				t.Fatalf("answer %d lost, then: %v", n, err)
			}
		}
		wantOnly(t, st, wantLatest(t, st, 1).Manifest)
	}
}

func TestAFullStoreTearsNothing(t *testing.T) {
	st := store.NewMem()
	epoch := mustClaim(t, st)
	mustSave(t, st, 1, epoch)
	for n := range 30 {
		full := storetest.NewFaulty(st, func(op storetest.Op) storetest.Fault {
			if op.Number >= n && op.Writes() {
				return storetest.Full
			}
			return storetest.None
		})
		if _, err := save(t.Context(), full, 2, epoch, fmt.Sprintf("full-%d", n)); err != nil {
			if !errors.Is(err, store.ErrNoSpace) || strings.Contains(err.Error(), "\n") {
				t.Errorf("full from operation %d: %v", n, err)
			}
			wantLatest(t, st, 1)
			continue
		}
		wantLatest(t, st, 2)
		return
	}
	t.Error("the save never came through")
}

func TestSeveralWorkersWriteOneCheckpoint(t *testing.T) {
	onEveryStore(t, func(t *testing.T, fresh func() store.Store) {
		st := fresh()
		epoch := mustClaim(t, st)
		s := stateAt(7)
		m := NewManifest(history, Writer{Epoch: epoch, Nonce: "coordinator"}, s, identity)
		plan := m.Plan()
		records := make([]VolumeRecord, len(plan))
		var workers sync.WaitGroup
		for i, v := range plan {
			workers.Go(func() {
				var err error
				records[i], err = WriteVolume(t.Context(), st, history, 7, Writer{Epoch: epoch, Nonce: fmt.Sprintf("worker-%d", i%2)}, v, s.Values)
				if err != nil {
					t.Error(err)
				}
			})
		}
		workers.Wait()
		slices.Reverse(records) // they arrive in any order
		m.Volumes = records
		sealed, err := Seal(t.Context(), st, m)
		if err != nil {
			t.Fatal(err)
		}
		wantLatest(t, st, 7)
		one, err := save(t.Context(), store.NewMem(), 7, 3, "alone")
		if err != nil {
			t.Fatal(err)
		}
		two := *sealed
		two.Metrics = one.Metrics
		if err := two.finish(); err != nil || two.State != one.State {
			t.Errorf("another number of writers, another state digest (%v)", err)
		}
	})
}

func TestAVolumeThatIsThereIsNotWrittenAgain(t *testing.T) {
	st := store.NewMem()
	s := stateAt(1)
	w := Writer{Epoch: 1, Nonce: "w"}
	v := firstVolume(s)
	first, err := WriteVolume(t.Context(), st, history, 1, w, v, s.Values)
	if err != nil {
		t.Fatal(err)
	}
	watched := storetest.NewFaulty(st, func(storetest.Op) storetest.Fault { return storetest.None })
	second, err := WriteVolume(t.Context(), watched, history, 1, w, v, s.Values)
	if err != nil || !cmp.Equal(first, second) {
		t.Errorf("%v: %v", err, cmp.Diff(first, second))
	}
	for _, op := range watched.Ops() {
		if op.Writes() {
			t.Errorf("it was written again: %+v", op)
		}
	}
	if _, err := WriteVolume(t.Context(), st, history, 1, w, v, stateAt(2).Values); err == nil || !strings.Contains(err.Error(), "other content") {
		t.Errorf("another content under the same nonce: %v", err)
	}
}

func TestTwoWritersOfOneStateAreHarmless(t *testing.T) {
	onEveryStore(t, func(t *testing.T, fresh func() store.Store) {
		for round := range 4 {
			st := fresh()
			epoch := mustClaim(t, st)
			var sealed [2]*Manifest
			var writers sync.WaitGroup
			for i := range sealed {
				writers.Go(func() {
					var err error
					if sealed[i], err = save(t.Context(), st, 1, epoch, fmt.Sprintf("racer-%d", i)); err != nil {
						t.Errorf("round %d: %v", round, err)
					}
				})
			}
			writers.Wait()
			if t.Failed() {
				return
			}
			if sealed[0].Digest != sealed[1].Digest {
				t.Errorf("round %d: both believe to have sealed: %s and %s", round, sealed[0].Nonce, sealed[1].Nonce)
			}
			wantLatest(t, st, 1)
		}
	})
}

func TestTwoStatesOfOneStepAreAnAlarm(t *testing.T) {
	st := store.NewMem()
	epoch := mustClaim(t, st)
	mustSave(t, st, 1, epoch)
	other := stateAt(1)
	moments := dense.Floats(other.M2[2])
	moments[3] = math.Nextafter32(moments[3], 1)
	_, err := saveState(t.Context(), st, other, epoch, "other")
	if !errors.Is(err, ErrDiverged) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	wantLatest(t, st, 1)
}

func TestACoordinatorTakenForDeadIsFenced(t *testing.T) {
	st := store.NewMem()
	old := mustClaimAs(t, st, "old")
	mustSave(t, st, 1, old)
	next := mustClaimAs(t, st, "new")
	if next != old+1 {
		t.Errorf("epochs %d and %d", old, next)
	}
	if _, err := save(t.Context(), st, 2, old, "zombie"); !errors.Is(err, ErrFenced) {
		t.Errorf("got %v", err)
	}
	wantLatest(t, st, 1)
}

// A zombie that passed the epoch check and sealed afterwards all the same.
func TestAManifestThatSlippedPastTheFenceIsPassedOverAndReplaced(t *testing.T) {
	st := store.NewMem()
	mustSave(t, st, 1, 1)
	mustSave(t, st, 3, 1) // by the zombie, late
	if _, err := save(t.Context(), st, 2, 2, "new"); err != nil {
		t.Fatal(err)
	}
	found := wantLatest(t, st, 2, 3)
	if !errors.Is(found.Skipped[0].Reason, ErrDamaged) || !strings.Contains(found.Skipped[0].Reason.Error(), "epoch 1") {
		t.Errorf("reason: %v", found.Skipped[0].Reason)
	}
	if _, err := save(t.Context(), st, 3, 2, "new"); err != nil {
		t.Fatal(err)
	}
	wantLatest(t, st, 3)
}

func TestConcurrentClaimsGetDifferentEpochs(t *testing.T) {
	onEveryStore(t, func(t *testing.T, fresh func() store.Store) {
		st := fresh()
		var epochs [6]int
		var all sync.WaitGroup
		for i := range epochs {
			all.Go(func() {
				var err error
				if epochs[i], err = ClaimEpoch(t.Context(), st, history, fmt.Sprintf("claimant-%d", i)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		slices.Sort(epochs[:])
		if epochs != [6]int{1, 2, 3, 4, 5, 6} {
			t.Errorf("epochs %v", epochs)
		}
	})
}

func TestAClaimWhoseAnswerWasLostIsRecognised(t *testing.T) {
	st := store.NewMem()
	lost := storetest.NewFaulty(echoes{st}, func(storetest.Op) storetest.Fault { return storetest.None })
	if epoch, err := ClaimEpoch(t.Context(), lost, history, "me"); err != nil || epoch != 1 {
		t.Errorf("epoch %d, %v", epoch, err)
	}
}

// echoes answers every creation as a retry meets it whose first try had succeeded.
type echoes struct{ store.Store }

func (e echoes) PutNew(ctx context.Context, key string, data []byte) error {
	if err := e.Store.PutNew(ctx, key, data); err != nil {
		return err
	}
	return fmt.Errorf("create %s: %w", key, store.ErrExists)
}

func TestASealWhoseAnswerWasLostIsRecognised(t *testing.T) {
	st := store.NewMem()
	epoch := mustClaim(t, st)
	m, err := save(t.Context(), echoes{st}, 1, epoch, "w1")
	if err != nil {
		t.Fatal(err)
	}
	wantOnly(t, st, m)
	wantLatest(t, st, 1)
}

func TestAPoisonedStateNeverPushesOutAHealthyOne(t *testing.T) {
	st := store.NewMem()
	epoch := mustClaim(t, st)
	healthy := mustSave(t, st, 1, epoch)
	retention := NewRetention(1)
	var kept []*Manifest
	for step := 2; step <= 4; step++ {
		poisoned := stateAt(step)
		dense.Floats(poisoned.Params[2])[5] = []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}[step-2]
		m, err := saveState(t.Context(), st, poisoned, epoch, fmt.Sprintf("w%d", step))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, m)
		deleted, err := retention.Apply(t.Context(), st, history)
		if err != nil || len(deleted) > 0 {
			t.Fatalf("deleted %v, %v", deleted, err)
		}
		if err := Verify(t.Context(), st, m, true); !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), "param/proj") {
			t.Errorf("verify says %v", err)
		}
		if s, err := Load(t.Context(), st, m); !errors.Is(err, ErrNotFinite) || s == nil || s.Step != step {
			t.Errorf("load gives %v, %v", s, err)
		}
	}
	found := wantLatest(t, st, 1, 4, 3, 2)
	if !errors.Is(found.Skipped[0].Reason, ErrNotFinite) {
		t.Errorf("reason: %v", found.Skipped[0].Reason)
	}
	wantOnly(t, st, append(kept, healthy)...)
	newer := mustSave(t, st, 5, epoch)
	deleted, err := retention.Apply(t.Context(), st, history)
	if err != nil || !slices.Equal(deleted, []int{1, 2, 3, 4}) {
		t.Errorf("deleted %v, %v", deleted, err)
	}
	wantOnly(t, st, newer)
}

func TestALossThatIsNotANumberIsNotHealthy(t *testing.T) {
	st := store.NewMem()
	mustSave(t, st, 1, 1)
	m := NewManifest(history, Writer{Epoch: 1, Nonce: "w2"}, stateAt(2), identity)
	m.Metrics = map[string]Float{"total": Float(math.NaN())}
	if _, err := Save(t.Context(), st, m, stateAt(2)); err != nil {
		t.Fatal(err)
	}
	wantLatest(t, st, 1, 2)
}

func TestRetentionKeepsTheNewestHealthyAndSweepsOrphans(t *testing.T) {
	onEveryStore(t, func(t *testing.T, fresh func() store.Store) {
		st := fresh()
		epoch := mustClaim(t, st)
		retention := NewRetention(2)
		var all []*Manifest
		for step := 1; step <= 4; step++ {
			all = append(all, mustSave(t, st, step, epoch))
			if _, err := retention.Apply(t.Context(), st, history); err != nil {
				t.Fatal(err)
			}
		}
		wantOnly(t, st, all[2], all[3])

		s := stateAt(9)
		abandon := func(step, epoch int) VolumeRecord {
			record, err := WriteVolume(t.Context(), st, history, step, Writer{Epoch: epoch, Nonce: "abandoned"}, firstVolume(s), s.Values)
			if err != nil {
				t.Fatal(err)
			}
			return record
		}
		abandon(3, epoch)             // the same epoch has sealed step 4
		inFlight := abandon(9, epoch) // may be sealed yet
		abandon(9, epoch-1)           // its coordinator is fenced
		if _, err := retention.Apply(t.Context(), st, history); err != nil {
			t.Fatal(err)
		}
		if _, err := st.Stat(t.Context(), history.stepPrefix(9)+inFlight.Name); err != nil {
			t.Errorf("a save in flight lost a volume: %v", err)
		}
		if err := st.Delete(t.Context(), history.stepPrefix(9)+inFlight.Name); err != nil {
			t.Fatal(err)
		}
		wantOnly(t, st, all[2], all[3])
	})
}

func TestRetentionDeletesNothingBehindADamagedCheckpoint(t *testing.T) {
	st := store.NewMem()
	mustSave(t, st, 1, 1)
	m := mustSave(t, st, 2, 1)
	key := m.volumeKey(m.Volumes[1])
	data, err := store.ReadAll(t.Context(), st, key)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := st.Put(t.Context(), key, data); err != nil {
		t.Fatal(err)
	}
	if deleted, err := NewRetention(1).Apply(t.Context(), st, history); err != nil || len(deleted) > 0 {
		t.Errorf("deleted %v, %v", deleted, err)
	}
	wantLatest(t, st, 1, 2)
}

func TestAnOutageIsNoReasonToFallBack(t *testing.T) {
	st := store.NewMem()
	mustSave(t, st, 1, 1)
	mustSave(t, st, 2, 1)
	for n := 0; ; n++ {
		for _, fault := range []storetest.Fault{storetest.Fail, storetest.CutBody} {
			down := storetest.NewFaulty(st, func(op storetest.Op) storetest.Fault {
				if op.Number == n {
					return fault
				}
				return storetest.None
			})
			found, err := Latest(t.Context(), down, history)
			if len(down.Ops()) <= n {
				return
			}
			if !errors.Is(err, storetest.ErrInjected) || found.Manifest != nil {
				t.Errorf("operation %d failed: found %+v, %v", n, found, err)
			}
		}
	}
}

func TestACopiedRunResumes(t *testing.T) {
	from, to := store.NewMem(), store.NewMem()
	epoch := mustClaim(t, from)
	mustSave(t, from, 1, epoch)
	damagedOne := mustSave(t, from, 2, epoch)
	mustSave(t, from, 3, epoch)
	for key, data := range map[string]string{"runs/run-1/run.yaml": "batch: 6\n", "runs/other/run.yaml": "no", "index.json": "no"} {
		if err := from.Put(t.Context(), key, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := from.Delete(t.Context(), damagedOne.volumeKey(damagedOne.Volumes[0])); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second time changes nothing
		report, err := Copy(t.Context(), from, to, history.Run)
		if err != nil || !cmp.Equal(report.Copied, []Copied{{history, 1}, {history, 3}}) || len(report.Skipped) != 1 || report.Skipped[0].Step != 2 {
			t.Fatalf("report %+v, %v", report, err)
		}
	}
	wantLatest(t, to, 3)
	infos, err := to.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		if !strings.HasPrefix(info.Key, "runs/run-1/") {
			t.Errorf("copied too: %s", info.Key)
		}
	}
	if data, err := store.ReadAll(t.Context(), to, "runs/run-1/run.yaml"); err != nil || string(data) != "batch: 6\n" {
		t.Errorf("run file: %q, %v", data, err)
	}
	if next := mustClaimAs(t, to, "there"); next != epoch+1 {
		t.Errorf("the next epoch is %d after %d", next, epoch)
	}
	other := store.NewMem()
	changed := stateAt(1)
	dense.Floats(changed.Params[0])[0]++
	if _, err := saveState(t.Context(), other, changed, 1, "w1"); err != nil {
		t.Fatal(err)
	}
	if _, err := Copy(t.Context(), other, to, history.Run); err == nil {
		t.Error("another state of step 1 was copied over")
	}
}

func TestLineagesAreFound(t *testing.T) {
	st := store.NewMem()
	for _, l := range []Lineage{{"b", 0}, {"a", 10}, {"a", 2}} {
		if _, err := ClaimEpoch(t.Context(), st, l, "n"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Lineages(t.Context(), st)
	if err != nil || !cmp.Equal(got, []Lineage{{"a", 2}, {"a", 10}, {"b", 0}}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, l := range []Lineage{{"", 0}, {"a/../b", 0}, {"A", 0}, {"a", -1}} {
		if _, err := Latest(t.Context(), st, l); err == nil {
			t.Errorf("%v was accepted", l)
		}
	}
}

func TestVolumesOfTheRealModelAreOfAGoodSize(t *testing.T) {
	// Phase 1 of ViT-B/16: four 3x3 convolutions of 768 channels dominate.
	var names []string
	var shapes [][]int
	for i := range 4 {
		for _, p := range []struct {
			name  string
			shape []int
		}{{"conv.bias", []int{768}}, {"conv.weight", []int{768, 768, 3, 3}}, {"gate", nil}, {"norm.weight", []int{768}}} {
			names, shapes = append(names, fmt.Sprintf("net.%d.%s", i, p.name)), append(shapes, p.shape)
		}
	}
	plan := volumeLimits{enoughBytes: 16 << 20, maxBytes: 32 << 20}.plan(names, shapes)
	if len(plan) != 13 {
		t.Errorf("%d volumes for 255 MB", len(plan))
	}
	for _, v := range plan {
		size := 0
		for _, item := range v.Items {
			size += item.bytes()
		}
		if size > 32<<20 || (size < 16<<20 && v.Index < len(plan)-1) {
			t.Errorf("volume %d has %d bytes", v.Index, size)
		}
	}
}

func TestEveryItemIsInExactlyOneVolume(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, 300), 1, 20).Draw(t, "sizes")
		var names []string
		var shapes [][]int
		for i, n := range sizes {
			names, shapes = append(names, fmt.Sprintf("p%02d", i)), append(shapes, []int{n})
		}
		var got []string
		for i, v := range PlanVolumes(names, shapes) {
			if v.Index != i || len(v.Items) == 0 {
				t.Fatalf("volume %d has index %d and %d items", i, v.Index, len(v.Items))
			}
			bytes := 0
			for _, item := range v.Items {
				got = append(got, item.tensorName())
				bytes += item.bytes()
			}
			if bytes > limits.maxBytes && len(v.Items) > 1 {
				t.Fatalf("volume %d has %d bytes", i, bytes)
			}
		}
		var want []string
		for _, kind := range kinds {
			for _, name := range names {
				want = append(want, string(kind)+"/"+name)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestDiffSaysWhichTensorsDifferAndByHowMuch(t *testing.T) {
	a, b := stateAt(1), stateAt(1)
	dense.Floats(b.M1[0])[3] += 0.5
	dense.Floats(b.M1[0])[4] -= 0.25
	dense.Floats(b.Params[1])[0] = float32(math.NaN())
	diffs, err := Diff(a, b)
	if err != nil || len(diffs) != 9 {
		t.Fatalf("%v, %v", diffs, err)
	}
	for _, d := range diffs {
		switch d.Tensor {
		case "m1/block.weight":
			if d.Different != 2 || math.Abs(d.MaxAbs-0.5) > 1e-6 {
				t.Errorf("%+v", d)
			}
		case "param/gate":
			if d.Different != 1 || !math.IsNaN(d.MaxAbs) {
				t.Errorf("%+v", d)
			}
		default:
			if !d.Equal() || d.MaxAbs != 0 {
				t.Errorf("%+v", d)
			}
		}
	}
	b.Names = []string{"block.weight", "gate", "proj2"}
	if _, err := Diff(a, b); err == nil || !strings.Contains(err.Error(), `"proj" and "proj2"`) {
		t.Errorf("other names: %v", err)
	}
}

func TestAStateOutOfOrderIsRefused(t *testing.T) {
	if err := stateAt(1).Check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*State){
		"order":   func(s *State) { s.Names[0], s.Names[1] = s.Names[1], s.Names[0] },
		"twice":   func(s *State) { s.Names[1] = s.Names[0] },
		"shape":   func(s *State) { s.M1[0] = dense.Of(dense.Floats(s.M1[0]), 10, 4) },
		"type":    func(s *State) { s.M2[1] = dense.Of([]float64{1}) },
		"moments": func(s *State) { s.M1 = s.M1[1:] },
		"lengths": func(s *State) { s.Updates = s.Updates[1:] },
	} {
		s := stateAt(1)
		spoil(s)
		if s.Check() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
