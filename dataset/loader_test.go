package dataset

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// equalBatches compares bits.
func equalBatches(a, b *Batch) bool {
	return a.Step == b.Step && a.Lane == b.Lane && slices.Equal(dense.Floats(a.Images), dense.Floats(b.Images)) && slices.Equal(a.IDs, b.IDs) &&
		slices.Equal(a.Captions, b.Captions) && slices.EqualFunc(a.Tokens, b.Tokens, slices.Equal[[]int32])
}

func mustBatch(t *testing.T, l *Loader, step, lane int) *Batch {
	t.Helper()
	b, err := l.Batch(t.Context(), step, lane)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSameBatchWhoeverAsksInWhateverOrder(t *testing.T) {
	st := store.NewMem()
	ix := writeSet(t, st, "shards", []int{5, 4, 6}, nil)
	const steps = 9
	var want [steps][2]*Batch
	first := testLoader(t, st, "shards", ix, nil)
	for step := range steps {
		for lane := range 2 {
			want[step][lane] = mustBatch(t, first, step, lane)
		}
	}
	others := map[string]func(*LoaderConfig){
		"one thread, no room in the cache": func(c *LoaderConfig) { c.Threads, c.CacheBytes = 1, 1 },
		"many threads, far ahead":          func(c *LoaderConfig) { c.Threads, c.Ahead = 8, 5 },
		"cache in a directory":             func(c *LoaderConfig) { c.CacheDir = t.TempDir() },
	}
	for name, change := range others {
		t.Run(name, func(t *testing.T) {
			l := testLoader(t, st, "shards", ix, change)
			for step := steps - 1; step >= 0; step-- {
				l.Prefetch(step, []int{1})
				for lane := range 2 {
					if got := mustBatch(t, l, step, lane); !equalBatches(got, want[step][lane]) {
						t.Errorf("step %d, lane %d differs", step, lane)
					}
				}
			}
		})
	}
	t.Run("all at once", func(t *testing.T) {
		l := testLoader(t, st, "shards", ix, nil)
		var wg sync.WaitGroup
		for step := range steps {
			for lane := range 2 {
				wg.Go(func() {
					l.Prefetch(step, []int{0, 1})
					tokens, err := l.Tokens(t.Context(), step, lane)
					if err != nil || !slices.EqualFunc(tokens, want[step][lane].Tokens, slices.Equal[[]int32]) {
						t.Errorf("step %d, lane %d: tokens differ (%v)", step, lane, err)
					}
					if got, err := l.Batch(t.Context(), step, lane); err != nil || !equalBatches(got, want[step][lane]) {
						t.Errorf("step %d, lane %d differs (%v)", step, lane, err)
					}
				})
			}
		}
		wg.Wait()
	})
}

func TestBatchHoldsWhatThePlanSays(t *testing.T) {
	st := store.NewMem()
	ix := writeSet(t, st, "", []int{7, 7}, nil)
	l := testLoader(t, st, "", ix, nil)
	for step := range 4 {
		b := mustBatch(t, l, step, 1)
		if want := l.cfg.Plan.Samples(step, 1); !slices.Equal(b.IDs, want) {
			t.Errorf("step %d: samples %v, the plan says %v", step, b.IDs, want)
		}
		for i, id := range b.IDs {
			s, err := ReadSample(t.Context(), st, "", ix, id)
			if err != nil {
				t.Fatal(err)
			}
			if b.Captions[i] != s.Caption || !slices.Equal(b.Tokens[i], l.cfg.Tokenizer.Encode(s.Caption)) {
				t.Errorf("step %d, image %d: caption %q, the sample has %q", step, i, b.Captions[i], s.Caption)
			}
		}
		if _, err := dense.Values[float32](b.Images, 3, 3, 8, 8); err != nil {
			t.Error(err)
		}
	}
}

// What was made ahead is taken, not made again; what nobody takes is forgotten two steps later.
func TestPrefetchedBatchesAreKeptUntilTakenOrLeft(t *testing.T) {
	st := store.NewMem()
	ix := writeSet(t, st, "", []int{12}, nil)
	l := testLoader(t, st, "", ix, func(c *LoaderConfig) { c.Ahead = 1 })
	held := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.prepared)
	}
	l.Prefetch(0, []int{0, 1})
	l.Prefetch(1, []int{0, 1})
	if held() != 4 {
		t.Errorf("%d batches of two lanes and two steps", held())
	}
	p, fresh := l.prepare(laneStep{0, 1})
	if b := mustBatch(t, l, 0, 1); fresh || b != p.batch || held() != 3 {
		t.Errorf("the batch was made again, or is kept: %d left", held())
	}
	l.Prefetch(2, nil)
	if held() != 2 {
		t.Errorf("%d batches left at step 2, want those of step 1", held())
	}
}

// A bad sample's place is taken by the next good one of its shard, in every loader alike.
func TestBadSamplesAreReplacedAndCounted(t *testing.T) {
	st := store.NewMem()
	ix := writeSet(t, st, "", []int{6, 6}, func(all []Sample) {
		all[4].Image = []byte("<!DOCTYPE html><title>not found</title>")
		all[5].Image = testJPEG(5)[:200]
	})
	for range 2 {
		l := testLoader(t, st, "", ix, nil)
		for step := range 2 {
			for lane := range 2 {
				tokens, err := l.Tokens(t.Context(), step, lane)
				if err != nil {
					t.Fatal(err)
				}
				b := mustBatch(t, l, step, lane)
				if !slices.EqualFunc(tokens, b.Tokens, slices.Equal[[]int32]) {
					t.Errorf("step %d, lane %d: tokens and batch disagree", step, lane)
				}
				for i, want := range l.cfg.Plan.Samples(step, lane) {
					if want == 4 || want == 5 {
						want = 0 // goes round at the end of the shard
					}
					if b.IDs[i] != want {
						t.Errorf("step %d, lane %d, image %d: sample %d, want %d", step, lane, i, b.IDs[i], want)
					}
				}
			}
		}
		bad := l.BadSamples()
		if bad[ReasonNotAnImage] != 1 || bad[ReasonTruncated] != 1 || len(bad) != 2 {
			t.Errorf("counted %v", bad)
		}
	}
}

// reliability.md section 5.5, rows 1, 3, 4, 7: what is no image is counted by its reason, what is only unusual is used.
func TestStrangeSamples(t *testing.T) {
	bomb := testJPEG(3)
	frame := bytes.Index(bomb, []byte{0xff, 0xc0})
	copy(bomb[frame+5:], []byte{0x75, 0x30, 0x75, 0x30}) // 30000 x 30000 pixels
	st := store.NewMem()
	ix := writeSet(t, st, "", []int{12}, func(all []Sample) {
		for i, name := range []string{"grey.jpg", "cmyk.jpg"} {
			data, err := os.ReadFile("testdata/images/" + name)
			if err != nil {
				t.Fatal(err)
			}
			all[i].Image = data
		}
		all[8].Image = testPNG(4, 4)
		all[2].Caption = strings.Repeat("word ", 200_000)
		all[3].Image = bomb
		all[4].Caption = ""
		all[5].Image = []byte("<html>")
		all[6].Caption = "\x00\xff<|endoftext|>\u202e\x1b[31m"
		all[7].Image = nil
	})
	l := testLoader(t, st, "", ix, nil)
	used := map[SampleID]bool{}
	for step := range 2 {
		for lane := range 2 {
			for _, id := range mustBatch(t, l, step, lane).IDs {
				used[id] = true
			}
		}
	}
	for id := range SampleID(12) {
		if bad := id == 3 || id == 5 || id == 7; used[id] == bad {
			t.Errorf("sample %d: used is %v", id, used[id])
		}
	}
	if got := l.BadSamples(); !maps.Equal(got, map[string]int{ReasonTooManyPixels: 1, ReasonNotAnImage: 2}) {
		t.Errorf("counted %v", got)
	}
}

func TestCaptionsFromJSON(t *testing.T) {
	for info, want := range map[string]string{
		`{"caption": "a fish", "width": 3}`: "a fish", `{"caption": ""}`: "",
		`{"caption": null}`: "no_caption", `{}`: "no_caption", `{"caption": 5}`: "caption_json", `[`: "caption_json", ``: "caption_json",
	} {
		got, err := captionOf(nil, []byte(info), "")
		if bad := (*badSample)(nil); errors.As(err, &bad) {
			got = bad.reason
		}
		if got != want {
			t.Errorf("%s: %q, want %q", info, got, want)
		}
	}
}

// Whichever samples are bad, loaders that meet them in different orders, many at a time, take the same stand-ins.
func TestStandInsDoNotDependOnTheOrderOfAsking(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		bad := rapid.SliceOfNDistinct(rapid.IntRange(0, 11), 0, 2, rapid.ID[int]).Draw(rt, "bad")
		st := store.NewMem()
		ix := writeSet(t, st, "", []int{5, 7}, func(all []Sample) {
			for _, i := range bad {
				all[i].Image = all[i].Image[:40]
			}
		})
		order := rapid.Permutation([]int{0, 1, 2, 3, 4, 5}).Draw(rt, "order")
		a, b := testLoader(t, st, "", ix, nil), testLoader(t, st, "", ix, func(c *LoaderConfig) { c.Threads = 4 })
		defer a.Close()
		defer b.Close()
		b.Prefetch(0, []int{0, 1})
		got := map[int]*Batch{}
		for _, i := range order {
			got[i] = mustBatch(t, b, i/2, i%2)
		}
		for i := range 6 {
			if want := mustBatch(t, a, i/2, i%2); !equalBatches(got[i], want) {
				rt.Fatalf("step %d, lane %d: %v, then %v", i/2, i%2, want.IDs, got[i].IDs)
			}
		}
	})
}

func TestTooManyBadSamplesStopTheRun(t *testing.T) {
	st := store.NewMem()
	ix := writeSet(t, st, "", []int{10, 10, 10}, func(all []Sample) {
		for i := range all {
			if i%2 == 0 {
				all[i].Image = []byte("<html>")
			}
		}
	})
	l := testLoader(t, st, "", ix, nil)
	var stop *BadSamplesError
	for step := 0; step < 5 && stop == nil; step++ {
		for lane := range 2 {
			if _, err := l.Batch(t.Context(), step, lane); err != nil && !errors.As(err, &stop) {
				t.Fatal(err)
			}
		}
	}
	if stop == nil {
		t.Fatal("half of the samples are bad and the run goes on")
	}
	if !strings.Contains(stop.Error(), "not_an_image") {
		t.Errorf("the error does not say why: %v", stop)
	}
}

func TestShardWithoutAnyGoodSampleIsAnError(t *testing.T) {
	st := store.NewMem()
	ix := writeSet(t, st, "", []int{2}, func(all []Sample) {
		all[0].Image, all[1].Image = nil, nil
	})
	_, err := testLoader(t, st, "", ix, nil).Batch(t.Context(), 0, 0)
	if err == nil || !strings.Contains(err.Error(), "shard 00000.tar: none of its 2 samples can be used") {
		t.Error(err)
	}
}

// One percent is not judged by two samples: chance has room, and what is really above is still caught.
func TestAllowedBadSamples(t *testing.T) {
	for seen, want := range map[int]int{1: 2, 100: 6, 1000: 21, 100_000: 1096, 10_000_000: 100_950} {
		if got := allowedBad(seen); got != want {
			t.Errorf("%d of %d may be bad, want %d", got, seen, want)
		}
	}
}

func TestDamagedShards(t *testing.T) {
	cases := map[string]struct {
		damage func(data []byte) []byte
		want   string
	}{
		"missing":        {func([]byte) []byte { return nil }, "shard 00001.tar: the index lists it, but it is not in mem://"},
		"cut short":      {func(d []byte) []byte { return d[:len(d)-1024] }, "shard 00001.tar: cut short: it has "},
		"empty":          {func(d []byte) []byte { return []byte{} }, "shard 00001.tar: cut short: it has 0 bytes"},
		"grown":          {func(d []byte) []byte { return append(d, 0) }, "shard 00001.tar: it has "},
		"one bit turned": {func(d []byte) []byte { d[700] ^= 4; return d }, "shard 00001.tar: its bytes have the digest "},
	}
	for name, c := range cases {
		for _, dir := range []string{"", t.TempDir()} {
			t.Run(name, func(t *testing.T) {
				st := store.NewMem()
				ix := writeSet(t, st, "", []int{4, 4}, nil)
				data := c.damage(readObject(t, st, "00001.tar"))
				if err := st.Delete(t.Context(), "00001.tar"); err != nil {
					t.Fatal(err)
				}
				if data != nil {
					if err := st.Put(t.Context(), "00001.tar", data); err != nil {
						t.Fatal(err)
					}
				}
				l := testLoader(t, st, "", ix, func(c *LoaderConfig) { c.CacheDir = dir })
				var failure error
				for step := 0; step < 4 && failure == nil; step++ {
					_, failure = l.Batch(t.Context(), step, 0)
				}
				if failure == nil || !strings.Contains(failure.Error(), c.want) || !strings.Contains(failure.Error(), "textground data index") {
					t.Errorf("got %v\nwant %q and a mend", failure, c.want)
				}
				if strings.Contains(failure.Error(), "\n") {
					t.Errorf("more than a line: %v", failure)
				}
				if len(l.BadSamples()) != 0 {
					t.Errorf("samples were blamed: %v", l.BadSamples())
				}
			})
		}
	}
}
