package dataset

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/textground/textground/store"
)

// countingStore counts how often each key was fetched, and lets change edit what comes back.
type countingStore struct {
	store.Store
	change func(key string, fetch int, data []byte) ([]byte, error)

	mu      sync.Mutex
	fetches map[string]int
}

func (s *countingStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	s.mu.Lock()
	if s.fetches == nil {
		s.fetches = map[string]int{}
	}
	s.fetches[key]++
	fetch := s.fetches[key]
	s.mu.Unlock()
	r, err := s.Store.Get(ctx, key, offset, length)
	if err != nil || s.change == nil {
		return r, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	data, err = s.change(key, fetch, data)
	return io.NopCloser(bytes.NewReader(data)), err
}

// runAll asks for every batch of n steps and reports the first error.
func runAll(t *testing.T, l *Loader, steps int) error {
	t.Helper()
	for step := range steps {
		for lane := range 2 {
			if _, err := l.Batch(t.Context(), step, lane); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestEachShardIsFetchedOnceWhileThereIsRoom(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		st := &countingStore{Store: store.NewMem()}
		ix := writeSet(t, st, "", []int{4, 4, 4}, nil)
		l := testLoader(t, st, "", ix, func(c *LoaderConfig) { c.CacheDir = dir })
		if err := runAll(t, l, 8); err != nil {
			t.Fatal(err)
		}
		for _, s := range ix.Shards {
			if st.fetches[s.Name] != 1 {
				t.Errorf("%s was fetched %d times", s.Name, st.fetches[s.Name])
			}
		}
	}
}

func TestCacheKeepsItsBudget(t *testing.T) {
	dir := t.TempDir()
	st := store.NewMem()
	ix := writeSet(t, st, "", []int{4, 4, 4, 4}, nil)
	budget := 2*ix.Shards[0].Size + 100
	l := testLoader(t, st, "", ix, func(c *LoaderConfig) { c.CacheDir, c.CacheBytes = dir, budget })
	if err := runAll(t, l, 8); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.tar"))
	if err != nil || len(files) == 0 || len(files) > 2 {
		t.Errorf("%d files of one shard each (%v)", len(files), err)
	}
}

func TestCacheDirectoryServesTheNextProcess(t *testing.T) {
	dir := t.TempDir()
	st := &countingStore{Store: store.NewMem()}
	ix := writeSet(t, st, "", []int{4, 4}, nil)
	inDir := func(c *LoaderConfig) { c.CacheDir = dir }
	first := testLoader(t, st, "", ix, inDir)
	if err := runAll(t, first, 4); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if err := runAll(t, testLoader(t, st, "", ix, inDir), 4); err != nil {
		t.Fatal(err)
	}
	if n := st.fetches["00000.tar"] + st.fetches["00001.tar"]; n != 2 {
		t.Errorf("%d fetches of two shards by two processes", n)
	}
}

// A cache file that changed, before it is opened or under our hands, is fetched again; no sample is blamed.
func TestDamagedCacheFilesAreFetchedAgain(t *testing.T) {
	dir := t.TempDir()
	st := store.NewMem()
	ix := writeSet(t, st, "", []int{6}, nil)
	file := filepath.Join(dir, ix.Shards[0].SHA256+".tar")
	want := mustBatch(t, testLoader(t, st, "", ix, nil), 0, 0)
	damage := func() {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range data {
			data[i] ^= 0x55
		}
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(data, 0); err != nil {
			t.Fatal(err)
		}
	}
	l := testLoader(t, st, "", ix, func(c *LoaderConfig) { c.CacheDir = dir })
	mustBatch(t, l, 0, 0)
	damage()
	if got := mustBatch(t, l, 0, 0); !equalBatches(got, want) || len(l.BadSamples()) != 0 {
		t.Errorf("damaged while open: the batch differs, or samples were blamed: %v", l.BadSamples())
	}
	l.Close()
	damage()
	l = testLoader(t, st, "", ix, func(c *LoaderConfig) { c.CacheDir = dir })
	if got := mustBatch(t, l, 0, 0); !equalBatches(got, want) || len(l.BadSamples()) != 0 {
		t.Errorf("damaged before it was opened: the batch differs, or samples were blamed: %v", l.BadSamples())
	}
}

// A shard that arrives wrong once is fetched again, and that is all.
func TestOneBadTransferIsForgiven(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"a flipped byte": func(d []byte) []byte { d[600] ^= 1; return d },
		"a short answer": func(d []byte) []byte { return d[:100] },
	} {
		st := &countingStore{Store: store.NewMem()}
		ix := writeSet(t, st, "", []int{6}, nil)
		want := mustBatch(t, testLoader(t, st, "", ix, nil), 0, 0)
		st.fetches = nil
		st.change = func(_ string, fetch int, data []byte) ([]byte, error) {
			if fetch == 1 {
				data = spoil(data)
			}
			return data, nil
		}
		if got := mustBatch(t, testLoader(t, st, "", ix, nil), 0, 0); !equalBatches(got, want) {
			t.Errorf("%s: the batch differs", name)
		}
	}
}

// An error of the store is passed on, and the next call tries again.
func TestStoreErrorsArePassedOnAndNotKept(t *testing.T) {
	st := &countingStore{Store: store.NewMem()}
	ix := writeSet(t, st, "", []int{6}, nil)
	outage := errors.New("the network is gone")
	st.change = func(_ string, fetch int, data []byte) ([]byte, error) {
		if fetch == 1 {
			return nil, outage
		}
		return data, nil
	}
	l := testLoader(t, st, "", ix, nil)
	if _, err := l.Batch(t.Context(), 0, 0); !errors.Is(err, outage) || !strings.Contains(err.Error(), "step 0, lane 0: fetching shard 00000.tar") {
		t.Errorf("got %v", err)
	}
	mustBatch(t, l, 0, 0)
}

// What failed ahead of time is no answer to a call that comes when the store is back.
func TestFailureAheadOfTimeIsTriedAgain(t *testing.T) {
	st := &countingStore{Store: store.NewMem()}
	ix := writeSet(t, st, "", []int{6}, nil)
	failed := make(chan struct{})
	st.change = func(_ string, fetch int, data []byte) ([]byte, error) {
		if fetch == 1 {
			defer close(failed)
			return nil, errors.New("the network is gone")
		}
		return data, nil
	}
	l := testLoader(t, st, "", ix, func(c *LoaderConfig) { c.Ahead = 1 })
	l.Prefetch(0, []int{0})
	<-failed
	mustBatch(t, l, 0, 0)
}

// hangingStore never answers until its caller gives up.
type hangingStore struct{ store.Store }

func (hangingStore) Get(ctx context.Context, _ string, _, _ int64) (io.ReadCloser, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestCloseAndCancelEndWhatHangs(t *testing.T) {
	mem := store.NewMem()
	ix := writeSet(t, mem, "", []int{6, 6}, nil)
	l := testLoader(t, hangingStore{mem}, "", ix, nil)
	l.Prefetch(0, []int{0, 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Batch(ctx, 0, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled call: %v", err)
	}
	answer := make(chan error)
	go func() {
		_, err := l.Tokens(context.Background(), 0, 1)
		answer <- err
	}()
	l.Close()
	if err := <-answer; err == nil {
		t.Error("a call outlived Close without an error")
	}
	if _, err := l.Batch(t.Context(), 3, 0); !errors.Is(err, errClosed) {
		t.Errorf("call after Close: %v", err)
	}
}
