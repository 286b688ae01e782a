package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/textground/textground/store"
)

// tearingStore breaks each download after so many bytes, and remembers where the downloads began.
type tearingStore struct {
	store.Store
	after int64

	mu     sync.Mutex
	begins []int64
}

var errTorn = errors.New("connection reset by peer")

func (s *tearingStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, key, offset, length)
	if err != nil || !strings.HasSuffix(key, ".tar") {
		return r, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begins = append(s.begins, offset)
	return tornReader{io.LimitReader(r, s.after), r}, nil
}

type tornReader struct {
	io.Reader
	io.Closer
}

func (r tornReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errTorn
	}
	return n, err
}

func TestATornDownloadGoesOnWhereItBroke(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		st := &tearingStore{Store: store.NewMem(), after: 3000}
		ix := writeSet(t, st.Store, "", []int{6}, nil)
		want := mustBatch(t, testLoader(t, st.Store, "", ix, nil), 0, 0)
		if got := mustBatch(t, testLoader(t, st, "", ix, func(c *LoaderConfig) { c.CacheDir = dir }), 0, 0); !equalBatches(got, want) {
			t.Error("the batch differs")
		}
		for i, begin := range st.begins {
			if begin != int64(i)*st.after {
				t.Errorf("downloads began at %d", st.begins)
				break
			}
		}
		if int64(len(st.begins)) != (ix.Shards[0].Size+st.after-1)/st.after {
			t.Errorf("%d downloads of %d bytes each for %d", len(st.begins), st.after, ix.Shards[0].Size)
		}
	}
}

func TestWhatAKilledProcessFetchedIsNotFetchedAgain(t *testing.T) {
	dir, mem := t.TempDir(), store.NewMem()
	ix := writeSet(t, mem, "", []int{6}, nil)
	shelf := newShelf(dir, 1<<30).(*directoryShelf)
	whole := readObject(t, mem, ix.Shards[0].Name)
	if err := os.WriteFile(shelf.draftPath(&ix.Shards[0]), whole[:2000], 0o644); err != nil {
		t.Fatal(err)
	}
	st := &tearingStore{Store: mem, after: 1 << 30}
	mustBatch(t, testLoader(t, st, "", ix, func(c *LoaderConfig) { c.CacheDir = dir }), 0, 0)
	if len(st.begins) != 1 || st.begins[0] != 2000 {
		t.Errorf("downloads began at %d", st.begins)
	}
}

// What lies here half fetched may be wrong: then everything is fetched again, once.
func TestAWrongBeginningIsFetchedAgain(t *testing.T) {
	dir, mem := t.TempDir(), store.NewMem()
	ix := writeSet(t, mem, "", []int{6}, nil)
	shelf := newShelf(dir, 1<<30).(*directoryShelf)
	if err := os.WriteFile(shelf.draftPath(&ix.Shards[0]), bytes.Repeat([]byte("wrong"), 300), 0o644); err != nil {
		t.Fatal(err)
	}
	st := &countingStore{Store: mem}
	mustBatch(t, testLoader(t, st, "", ix, func(c *LoaderConfig) { c.CacheDir = dir }), 0, 0)
	if n := st.fetches[ix.Shards[0].Name]; n != 2 {
		t.Errorf("%d fetches", n)
	}
}

func TestAFullDiskSaysSo(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	dir, st := t.TempDir(), store.NewMem()
	ix := writeSet(t, st, "", []int{6}, nil)
	shelf := newShelf(dir, 1<<30).(*directoryShelf)
	if err := os.Symlink("/dev/full", shelf.draftPath(&ix.Shards[0])); err != nil {
		t.Fatal(err)
	}
	counting := &countingStore{Store: st}
	_, err := shelf.put(t.Context(), &ix.Shards[0], func(draft) error { return syscall.ENOSPC })
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk of the shard cache "+dir+" is full") {
		t.Errorf("a write that fails: %v", err)
	}
	cache := newShardCache(counting, "", ix, fullShelf{}, testLoader(t, st, "", ix, nil).cfg.Log)
	if _, err := cache.acquire(t.Context(), 0); !errors.Is(err, syscall.ENOSPC) || counting.fetches[ix.Shards[0].Name] != 1 {
		t.Errorf("%d downloads for a disk that is full: %v", counting.fetches[ix.Shards[0].Name], err)
	}
}

// fullShelf takes the first bytes and no more.
type fullShelf struct{}

func (fullShelf) remove(*Shard) {}

func (fullShelf) find(*Shard) (book, bool, error) { return nil, false, os.ErrNotExist }

func (fullShelf) put(_ context.Context, _ *Shard, fill func(draft) error) (book, error) {
	return nil, fill(&fullDraft{})
}

type fullDraft struct{ memoryDraft }

func (d *fullDraft) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// Processes on one machine share a directory: each shard is fetched by one of them, however they run into each other, and together
// they keep the budget.
func TestProcessesShareTheCacheDirectory(t *testing.T) {
	const processes, shards = 4, 12
	if dir := os.Getenv("TEXTGROUND_TEST_CACHE"); dir != "" {
		readAllShards(t, dir, os.Getenv("TEXTGROUND_TEST_STORE"))
		return
	}
	root, dir := t.TempDir(), t.TempDir()
	st, err := store.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	sizes := make([]int, shards)
	for i := range sizes {
		sizes[i] = 3
	}
	ix := writeSet(t, st, "", sizes, nil)
	var children [processes]*exec.Cmd
	var starts [processes]io.Closer
	var outputs [processes]bytes.Buffer
	for i := range children {
		c := exec.Command(os.Args[0], "-test.run=^TestProcessesShareTheCacheDirectory$", "-test.v")
		c.Env = append(os.Environ(), "TEXTGROUND_TEST_CACHE="+dir, "TEXTGROUND_TEST_STORE="+root)
		c.Stdout, c.Stderr = &outputs[i], &outputs[i]
		if starts[i], err = c.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		children[i] = c
	}
	for _, start := range starts {
		start.Close()
	}
	fetches := 0
	for i, c := range children {
		if err := c.Wait(); err != nil {
			t.Fatalf("process %d: %v\n%s", i, err, outputs[i].String())
		}
		_, rest, _ := strings.Cut(outputs[i].String(), "fetches=")
		n, err := strconv.Atoi(strings.Fields(rest)[0])
		if err != nil {
			t.Fatal(err)
		}
		fetches += n
	}
	if fetches != len(ix.Shards) {
		t.Errorf("%d fetches of %d shards by %d processes", fetches, len(ix.Shards), processes)
	}
}

func readAllShards(t *testing.T, dir, root string) {
	st, err := store.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	counting := &countingStore{Store: st}
	ix, err := OpenIndex(t.Context(), st, "")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(os.Stdin) // until all are ready
	cache := newShardCache(counting, "", ix, newShelf(dir, 1<<30), testLoader(t, st, "", ix, nil).cfg.Log)
	var all sync.WaitGroup
	for number := range ix.Shards {
		all.Go(func() {
			e, err := cache.acquire(t.Context(), number)
			if err != nil {
				t.Error(err)
				return
			}
			cache.release(number, e)
		})
	}
	all.Wait()
	sum := 0
	for _, n := range counting.fetches {
		sum += n
	}
	fmt.Printf("fetches=%d\n", sum)
}

// What another process reads is never removed, even where the budget would want it.
func TestRoomIsMadeOfWhatNobodyReads(t *testing.T) {
	dir, st := t.TempDir(), store.NewMem()
	ix := writeSet(t, st, "", []int{4, 4, 4}, nil)
	log := testLoader(t, st, "", ix, nil).cfg.Log
	one := newShardCache(st, "", ix, newShelf(dir, ix.Shards[0].Size+10), log)
	other := newShardCache(st, "", ix, newShelf(dir, ix.Shards[0].Size+10), log)
	held, err := one.acquire(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range []int{1, 2} {
		e, err := other.acquire(t.Context(), number)
		if err != nil {
			t.Fatal(err)
		}
		other.release(number, e)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.tar"))
	if err != nil || len(left) != 1 {
		t.Errorf("%d shards of 3 are left, with room for one and that in use: %v", len(left), err)
	}
	if _, err := os.Stat(filepath.Join(dir, ix.Shards[0].SHA256+".tar")); err != nil {
		t.Error("the shard in use is gone")
	}
	one.release(0, held)
}

// pacedStore delivers so many bytes a second, whoever asks.
type pacedStore struct {
	store.Store
	bytesPerSecond float64
	line           chan struct{} // of one place: the wire
}

func (s *pacedStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	return pacedReader{r, s}, nil
}

type pacedReader struct {
	io.ReadCloser
	store *pacedStore
}

func (r pacedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p[:min(len(p), 1024)])
	r.store.line <- struct{}{}
	time.Sleep(time.Duration(float64(n) / r.store.bytesPerSecond * float64(time.Second)))
	<-r.store.line
	return n, err
}

// In virtual time: a step takes a second, the cache holds a quarter of the data, the store delivers twice what the steps read. After
// the first window, no step waits.
func TestAStoreTwiceAsFastAsNeededNeverKeepsAStepWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := store.NewMem()
		sizes := make([]int, 32)
		for i := range sizes {
			sizes[i] = 12
		}
		ix := writeSet(t, mem, "", sizes, nil)
		const steps, lanes, perLane, window = 128, 2, 3, 24
		plan, err := NewPlan(ix, 7, lanes, perLane, window)
		if err != nil {
			t.Fatal(err)
		}
		needed := float64(plan.Describe(steps).Bytes) / steps // a second
		st := &pacedStore{Store: mem, bytesPerSecond: 2 * needed, line: make(chan struct{}, 1)}
		l := testLoader(t, st, "", ix, func(c *LoaderConfig) { c.Plan, c.CacheBytes = plan, ix.Bytes()/4 })
		var waited time.Duration
		for step := range steps {
			l.Prefetch(step, []int{0, 1})
			for lane := range lanes {
				began := time.Now()
				mustBatch(t, l, step, lane)
				if step > window/perLane {
					waited += time.Since(began)
				}
			}
			time.Sleep(time.Second)
		}
		if waited > 0 {
			t.Errorf("%s of %d s waited for data", waited, steps)
		}
		l.Close()
	})
}
