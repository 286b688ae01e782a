package dataset_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/store"
)

// meteredStore counts the bytes of shards that arrive.
type meteredStore struct {
	store.Store
	bytes atomic.Int64
}

func (s *meteredStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := s.Store.Get(ctx, key, offset, length)
	if err != nil || !strings.HasSuffix(key, ".tar") {
		return r, err
	}
	return meteredReader{r, s}, nil
}

type meteredReader struct {
	io.ReadCloser
	store *meteredStore
}

func (r meteredReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.store.bytes.Add(int64(n))
	return n, err
}

func processorTime(t *testing.T) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func total(all []time.Duration) (sum time.Duration) {
	for _, d := range all {
		sum += d
	}
	return sum
}

// TestStreamMeasured is `make bench-data`: lanes of 32 images of the data set at TEXTGROUND_BENCH_DATA, through a cache of 300 MB, with
// the paper's augmentation. TEXTGROUND_BENCH_STEP_MS is how long a step computes, 0 for as fast as the loader can. The first step waits for
// a batch that nobody has asked for before; whether later ones wait is the loader's merit.
func TestStreamMeasured(t *testing.T) {
	url := os.Getenv("TEXTGROUND_BENCH_DATA")
	if url == "" {
		t.Skip("TEXTGROUND_BENCH_DATA names no data set; see make bench-data")
	}
	const perLane, cacheBytes = 32, 300_000_000
	steps, _ := strconv.Atoi(os.Getenv("TEXTGROUND_BENCH_STEPS"))
	compute, _ := strconv.Atoi(os.Getenv("TEXTGROUND_BENCH_STEP_MS"))
	inner, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	st := &meteredStore{Store: inner}
	ix, err := dataset.OpenIndex(t.Context(), st, "shards")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := dataset.NewPlan(ix, 1, 1, perLane, 1000) // windows of two shards
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := dataset.OpenJPEGDecoder(os.Getenv("TEXTGROUND_JPEG"))
	if err != nil {
		t.Fatal(err)
	}
	l := dataset.NewLoader(dataset.LoaderConfig{
		Store: st, Prefix: "shards", Index: ix, Plan: plan, Seed: 1, Tokenizer: dataset.NewTokenizer(dataset.CLIPVocabulary(), 77),
		Augment: dataset.PaperAugment(), ImageSize: 224, CacheBytes: cacheBytes, CacheDir: t.TempDir(), Ahead: 3, Threads: 2, JPEG: decoder, Log: hclog.NewNullLogger(),
	})
	defer l.Close()
	if _, err := l.Batch(t.Context(), 0, 0); err != nil {
		t.Fatal(err)
	}
	began, processor := time.Now(), processorTime(t)
	var waits []time.Duration
	for step := 1; step <= steps; step++ {
		l.Prefetch(step, []int{0})
		asked := time.Now()
		if _, err := l.Batch(t.Context(), step, 0); err != nil {
			t.Fatal(err)
		}
		waits = append(waits, time.Since(asked))
		time.Sleep(time.Duration(compute) * time.Millisecond)
	}
	all, used, images := time.Since(began), processorTime(t)-processor, float64(steps*perLane)
	report := map[string]any{
		"decoder": decoder.Name(), "images_per_second": images / all.Seconds(), "images_per_processor_second": images / used.Seconds(),
		"first_wait_seconds": waits[0].Seconds(), "later_waits_seconds": total(waits[1:]).Seconds(), "seconds": all.Seconds(), "bytes_read": st.bytes.Load(), "bytes_needed": plan.Describe(steps + 1).Bytes,
		"data_bytes": ix.Bytes(), "images": images,
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(os.Getenv("TEXTGROUND_BENCH_REPORT"), text, 0o644); err != nil {
		t.Fatal(err)
	}
}
