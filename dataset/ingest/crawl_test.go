package ingest

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/store"
	"github.com/textground/textground/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// urls is how many URLs the large tests ask for: TEXTGROUND_INGEST_URLS, or enough for every kind.
func urls() int {
	if n, err := strconv.Atoi(os.Getenv("TEXTGROUND_INGEST_URLS")); err == nil {
		return n
	}
	return 600
}

// writeList writes rows as CSV and opens it.
func writeList(t testing.TB, rows []Row) *List {
	t.Helper()
	name := filepath.Join(t.TempDir(), "list.csv")
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write([]string{"url", "caption"})
	for _, row := range rows {
		w.Write([]string{row.URL, row.Caption})
	}
	w.Flush()
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := OpenList(t.Context(), []string{name}, Columns{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func begin(t testing.TB, home store.Store, rows []Row, s Settings) *Plan {
	t.Helper()
	plan, err := Begin(t.Context(), home, writeList(t, rows), 0, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// crawlWith runs ingesters until a plan is done, and returns the counts of the first.
func crawlWith(t testing.TB, home store.Store, plan *Plan, ingesters int) *Counts {
	t.Helper()
	first, wait := startCrawl(t, home, plan, ingesters)
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	return first
}

func startCrawl(t testing.TB, home store.Store, plan *Plan, ingesters int) (first *Counts, wait func() error) {
	t.Helper()
	desk, err := NewDesk(t.Context(), home, plan, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	g, ctx := errgroup.WithContext(t.Context())
	for i := range ingesters {
		c := newCrawler(ctx, t, fmt.Sprintf("i%d", i), home, plan)
		if i == 0 {
			first = c.Counts
		}
		g.Go(func() error { return c.Run(ctx, desk) })
	}
	return first, g.Wait
}

func newCrawler(ctx context.Context, t testing.TB, name string, home store.Store, plan *Plan) *Crawler {
	t.Helper()
	c, err := NewCrawler(ctx, name, home, plan, loopback())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// contents returns the shards in a home by name, and the index.
func contents(t testing.TB, home store.Store) map[string]string {
	t.Helper()
	objects, err := home.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, o := range objects {
		if strings.HasPrefix(o.Key, "ingest/") {
			continue
		}
		r, err := home.Get(t.Context(), o.Key, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if r.Close(); err != nil {
			t.Fatal(err)
		}
		out[o.Key] = string(data)
	}
	return out
}

func entries(t testing.TB, home store.Store) []Entry {
	t.Helper()
	c, err := readCrawl(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	var all []Entry
	for _, l := range c.ledgers {
		all = append(all, l.Entries...)
	}
	return all
}

func TestEveryURLIsAccountedForOnce(t *testing.T) {
	t.Parallel() // most of it is waiting
	w, home := newWeb(t), store.NewMem()
	rows, want := w.rows(urls())
	plan := begin(t, home, rows, quick((len(rows)+1)/2))
	began := time.Now()
	counts := crawlWith(t, home, plan, 1)
	took := time.Since(began)
	all := entries(t, home)
	if len(all) != len(rows) {
		t.Fatalf("%d entries for %d URLs", len(all), len(rows))
	}
	answered := 0
	for i, e := range all {
		if e.Row != i || e.URL != rows[i].URL || e.Class != want[i] {
			t.Errorf("row %d, %s: %+v, want %s", i, rows[i].URL, e, want[i])
		}
		if (e.Class == Answered) != (e.Key != "" && e.SHA256 != "" && e.Status == 200) {
			t.Errorf("row %d: %+v", i, e)
		}
		if e.Class == Answered {
			answered++
		}
	}
	ix, summary, err := WriteIndex(t.Context(), home)
	if err != nil || ix.Samples() != answered || *ix.Crawl != (dataset.Crawl{Answered: answered, Asked: len(rows)}) || !summary.Complete {
		t.Fatalf("%d samples, %+v, %v", ix.Samples(), summary, err)
	}
	if int(counts.URLs()) != len(rows) || int(counts.Parts.Load()) != plan.Parts {
		t.Errorf("%d URLs and %d parts counted", counts.URLs(), counts.Parts.Load())
	}
	if w.count("/robots.txt") != 1 {
		t.Errorf("robots.txt was asked for %d times", w.count("/robots.txt"))
	}
	report, err := dataset.Verify(t.Context(), home, "", nil, nil)
	if err != nil || !report.Sound() {
		t.Errorf("%+v, %v", report, err)
	}
	t.Logf("%d URLs, %d images in %s: %.0f URLs/s", len(rows), answered, took.Round(time.Millisecond), float64(len(rows))/took.Seconds())
}

// swift leaves out the URLs that a crawl waits for.
func swift(rows []Row, _ []Class) []Row {
	return slices.DeleteFunc(rows, func(r Row) bool { return strings.Contains(r.URL, "/slow/") })
}

func TestSamplesKeepListOrderCaptionAndProvenance(t *testing.T) {
	w, home := newWeb(t), store.NewMem()
	rows := []Row{{URL: w.URL + "/jpeg/a", Caption: " a\tcat\n"}, {URL: w.URL + "/404/b"}, {URL: w.URL + "/png/c", Caption: "dog"}}
	crawlWith(t, home, begin(t, home, rows, quick(10)), 1)
	ix, _, err := WriteIndex(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	var captions []string
	for id := range ix.Samples() {
		s, err := dataset.ReadSample(t.Context(), home, "", ix, dataset.SampleID(id))
		if err != nil {
			t.Fatal(err)
		}
		captions = append(captions, s.Caption)
	}
	if !slices.Equal(captions, []string{"a cat", "dog"}) {
		t.Errorf("%q", captions)
	}
	shard := contents(t, home)["00000.tar"]
	for _, want := range []string{`"url":"` + w.URL + `/png/c"`, `"original_width":80`, `"status":200`} {
		if !strings.Contains(shard, want) {
			t.Errorf("no %s in the shard", want)
		}
	}
	if !strings.HasPrefix(w.agent, "textground/") {
		t.Errorf("the agent is called %q", w.agent)
	}
}

func TestOneOrFourIngestersSameShards(t *testing.T) {
	t.Parallel() // most of it is waiting
	w := newWeb(t)
	rows, _ := w.rows(urls() / 3)
	var homes []store.Store
	var waits []func() error
	for _, ingesters := range []int{1, 4} { // both at once, as they wait for the same slow URLs
		home := store.NewMem()
		_, wait := startCrawl(t, home, begin(t, home, rows, quick(20)), ingesters)
		homes, waits = append(homes, home), append(waits, wait)
	}
	for i, home := range homes {
		if err := waits[i](); err != nil {
			t.Fatal(err)
		}
		if _, _, err := WriteIndex(t.Context(), home); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := contents(t, homes[0]), contents(t, homes[1]); !maps.Equal(a, b) || len(a) < 10 {
		t.Errorf("%d objects and %d objects, not the same", len(a), len(b))
	}
}

// stopping fails a store's writes after some, as a process that dies does.
type stopping struct {
	store.Store
	left atomic.Int64
}

var errStopped = errors.New("stopped here")

func (s *stopping) PutNew(ctx context.Context, key string, data []byte) error {
	if s.left.Add(-1) < 0 {
		return errStopped
	}
	return s.Store.PutNew(ctx, key, data)
}

func TestAStoppedIngestGoesOnWhereItWas(t *testing.T) {
	t.Parallel() // most of it is waiting
	w := newWeb(t)
	rows := swift(w.rows(100))
	s := quick(10)
	whole := store.NewMem()
	crawlWith(t, whole, begin(t, whole, rows, s), 1)
	want := contents(t, whole)
	for _, writes := range []int64{0, 5, 10, 11, 12, 29} {
		inner := store.NewMem()
		home := &stopping{Store: inner}
		home.left.Store(writes)
		plan, err := Begin(t.Context(), home, writeList(t, rows), 0, s, nil)
		if err == nil {
			desk, _ := NewDesk(t.Context(), home, plan, time.Now)
			err = newCrawler(t.Context(), t, "a", home, plan).Run(t.Context(), desk)
		}
		if !errors.Is(err, errStopped) {
			t.Fatalf("after %d writes: %v", writes, err)
		}
		crawlWith(t, inner, begin(t, inner, rows, s), 2)
		if !maps.Equal(contents(t, inner), want) {
			t.Errorf("stopped after %d writes: other shards", writes)
		}
	}
}

func TestALateCopyOfAPartIsDropped(t *testing.T) {
	w, home := newWeb(t), store.NewMem()
	rows, _ := w.rows(20)
	plan := begin(t, home, rows, quick(20))
	crawlWith(t, home, plan, 1)
	before := contents(t, home)
	late := newCrawler(t.Context(), t, "late", home, plan)
	defer late.fetcher.close()
	outcomes := make([]outcome, len(rows)) // as if nothing had answered
	for i, row := range rows {
		outcomes[i].entry = Entry{Row: row.Number, URL: row.URL, Class: Timeout}
	}
	outcomes[0] = outcome{Entry{Row: 0, Class: Answered, Key: "k"}, dataset.Sample{Key: "k", Image: w.png, Caption: "other"}}
	if first, err := late.seal(t.Context(), 0, outcomes); first || err != nil {
		t.Fatalf("first %v, %v", first, err)
	}
	if _, _, err := WriteIndex(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	after := contents(t, home)
	delete(after, dataset.IndexName)
	if !maps.Equal(before, after) {
		t.Errorf("%v became %v", slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after)))
	}
}

func TestSealedShardsCanBeUsedWhileTheRestIsCrawled(t *testing.T) {
	t.Parallel() // most of it is waiting
	w, home := newWeb(t), store.NewMem()
	rows := swift(w.rows(61))
	plan := begin(t, home, rows, quick(20))
	c := newCrawler(t.Context(), t, "a", home, plan)
	defer c.fetcher.close()
	if done, err := c.work(t.Context(), 1, &activePart{}); !done || err != nil {
		t.Fatal(err)
	}
	ix, summary, err := WriteIndex(t.Context(), home)
	if err != nil || summary.Complete || summary.Done != 20 || ix.Crawl.Asked != 60 || ix.Shards[0].Name != "00001.tar" {
		t.Fatalf("%+v, %v", summary, err)
	}
	if _, err := dataset.OpenIndex(t.Context(), home, ""); err != nil {
		t.Error(err)
	}
	crawlWith(t, home, plan, 1)
	later, _, err := WriteIndex(t.Context(), home)
	if err != nil || later.Fingerprint == ix.Fingerprint || len(later.Shards) != 3 {
		t.Errorf("%v", err)
	}
}

func TestRetryAsksAgainForWhatMayPass(t *testing.T) {
	w, home := newWeb(t), store.NewMem()
	s := quick(4)
	s.Tries = 1
	var rows []Row
	for i := range 12 {
		rows = append(rows, Row{Number: i, URL: fmt.Sprintf("%s/%s/%d", w.URL, []string{"jpeg", "again", "404"}[i%3], i), Caption: fmt.Sprint(i)})
	}
	plan := begin(t, home, rows, s)
	if _, err := Retry(t.Context(), home); err == nil {
		t.Error("a crawl that is not done was planned again")
	}
	crawlWith(t, home, plan, 1)
	first, summary, err := WriteIndex(t.Context(), home)
	if err != nil || summary.Answered != 4 || summary.Retryable != 4 {
		t.Fatalf("%+v, %v", summary, err)
	}
	next, err := Retry(t.Context(), home)
	if err != nil || next.Rows != 4 || next.Generation != 1 {
		t.Fatalf("%+v, %v", next, err)
	}
	crawlWith(t, home, next, 1)
	second, summary, err := WriteIndex(t.Context(), home)
	if err != nil || summary.Answered != 8 || summary.Done != 12 || summary.Retryable != 0 || second.Samples() != 8 {
		t.Fatalf("%+v, %v", summary, err)
	}
	if second.Shards[0].SHA256 != first.Shards[0].SHA256 || w.count("/404/2") != 1 {
		t.Error("what was settled was touched")
	}
	if _, err := Retry(t.Context(), home); !errors.Is(err, ErrNothingToRetry) {
		t.Error(err)
	}
}

func TestDuplicatesAreLeftOutWhoeverCrawls(t *testing.T) {
	t.Parallel() // most of it is waiting
	w := newWeb(t)
	var rows []Row
	for i := range 40 {
		rows = append(rows, Row{URL: fmt.Sprintf("%s/jpeg/%d", w.URL, i), Caption: fmt.Sprint(i)})
	}
	s := quick(5)
	s.Unique = true
	var homes []store.Store
	for _, ingesters := range []int{1, 3} {
		home := store.NewMem()
		crawlWith(t, home, begin(t, home, rows, s), ingesters)
		for range 2 { // the second finds everything done
			ix, summary, err := WriteIndex(t.Context(), home)
			if err != nil || ix.Samples() != len(w.pictures) || summary.Classes[Duplicate] != 40-len(w.pictures) {
				t.Fatalf("%d samples, %+v, %v", ix.Samples(), summary, err)
			}
		}
		homes = append(homes, home)
	}
	if !maps.Equal(contents(t, homes[0]), contents(t, homes[1])) {
		t.Error("not the same shards")
	}
	report, err := dataset.Verify(t.Context(), homes[0], "", nil, nil)
	if err != nil || !report.Sound() {
		t.Errorf("%+v, %v", report, err)
	}
}

// The shards with duplicates are gone when the second generation begins; the index names those that are there.
func TestARetryAfterDuplicatesCanBeIndexedAtAnyTime(t *testing.T) {
	w, home := newWeb(t), store.NewMem()
	s := quick(2)
	s.Unique, s.Tries = true, 1
	var rows []Row
	for i, word := range []string{"png", "png", "again", "png", "again", "again"} {
		rows = append(rows, Row{URL: fmt.Sprintf("%s/%s/%d", w.URL, word, i), Caption: fmt.Sprint(i)})
	}
	check := func(samples int) {
		t.Helper()
		if ix, _, err := WriteIndex(t.Context(), home); err != nil || ix.Samples() != samples {
			t.Fatalf("%v", err)
		}
		if _, err := dataset.OpenIndex(t.Context(), home, ""); err != nil {
			t.Fatal(err)
		}
	}
	crawlWith(t, home, begin(t, home, rows, s), 1)
	check(1)
	next, err := Retry(t.Context(), home)
	if err != nil || next.Parts != 2 {
		t.Fatal(err)
	}
	check(1)
	c := newCrawler(t.Context(), t, "a", home, next)
	defer c.fetcher.close()
	if _, err := c.work(t.Context(), 1, &activePart{}); err != nil {
		t.Fatal(err)
	}
	check(2)
	crawlWith(t, home, next, 1)
	if _, _, err := WriteIndex(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	if report, err := dataset.Verify(t.Context(), home, "", nil, nil); err != nil || !report.Sound() {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestABucketHoldsTheListAndTheCrawl(t *testing.T) {
	endpoint, access, secret := storetest.StartVersityGW(t)
	t.Setenv("TEXTGROUND_S3_ENDPOINT", endpoint)
	t.Setenv("AWS_ACCESS_KEY_ID", access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	bucket, err := store.Open(t.Context(), "s3://"+storetest.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	w := newWeb(t)
	for i, name := range []string{"lists/a.jsonl", "lists/b.jsonl.gz"} {
		line := fmt.Sprintf("{\"url\": \"%s/jpeg/%d\", \"caption\": \"%d\"}\n", w.URL, i, i)
		if err := bucket.Put(t.Context(), name, packed(t, name, []byte(line))); err != nil {
			t.Fatal(err)
		}
	}
	if err := bucket.Put(t.Context(), "lists/c.parquet", parquetFileOf(t, 700)); err != nil {
		t.Fatal(err)
	}
	list, err := OpenList(t.Context(), []string{"s3://" + storetest.Bucket + "/lists"}, Columns{})
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, err := range list.Rows(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		rows++
	}
	if rows != 702 {
		t.Errorf("%d rows", rows)
	}
	home := store.WithPrefix(bucket, "shards/mine")
	plan, err := Begin(t.Context(), home, list, 2, quick(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	crawlWith(t, home, plan, 2)
	if ix, _, err := WriteIndex(t.Context(), home); err != nil || ix.Samples() != 2 {
		t.Fatal(err)
	}
	if report, err := dataset.Verify(t.Context(), bucket, "shards/mine", nil, nil); err != nil || !report.Sound() {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestTwoCrawlsAreCompared(t *testing.T) {
	w := newWeb(t)
	list := func(words ...string) (rows []Row) {
		for i, word := range words {
			rows = append(rows, Row{URL: fmt.Sprintf("%s/%s/%d", w.URL, word, i)})
		}
		return rows
	}
	s := quick(10)
	s.Tries = 1
	a, b := store.NewMem(), store.NewMem()
	crawlWith(t, a, begin(t, a, list("jpeg", "again", "404", "html"), s), 1)
	crawlWith(t, b, begin(t, b, list("jpeg", "again", "404", "png"), s), 1)
	d, err := Diff(t.Context(), a, b, 10)
	if err != nil || d.Same != 2 || d.Gained != 1 || d.OnlyA != 1 || d.OnlyB != 1 || d.Equal() || len(d.Examples) != 3 || d.Moves["server_error → answered"] != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if same, err := Diff(t.Context(), a, a, 1); err != nil || !same.Equal() {
		t.Errorf("%+v, %v", same, err)
	}
}

func TestAnotherListOrOtherSettingsAreRefused(t *testing.T) {
	home := store.NewMem()
	rows := []Row{{URL: "http://a.example/1"}}
	begin(t, home, rows, quick(10))
	var other *OtherPlanError
	if _, err := Begin(t.Context(), home, writeList(t, append(rows, rows...)), 0, quick(10), nil); !errors.As(err, &other) {
		t.Error(err)
	}
	if _, err := Begin(t.Context(), home, writeList(t, rows), 0, quick(11), nil); !errors.As(err, &other) || !strings.Contains(err.Error(), "per_shard is 10") {
		t.Error(err)
	}
	foreign := store.NewMem()
	foreign.Put(t.Context(), "00000.tar", []byte("x"))
	if _, err := Begin(t.Context(), foreign, writeList(t, rows), 0, quick(10), nil); !errors.As(err, &other) {
		t.Error(err)
	}
}

// deaf answers no report, as a leader that is gone.
type deaf struct{}

func (deaf) Report(context.Context, Report) (Orders, error) { return Orders{}, io.ErrClosedPipe }

func TestAnIngesterStopsWhenItIsTold(t *testing.T) {
	w, home := newWeb(t), store.NewMem()
	rows, _ := w.rows(10)
	plan := begin(t, home, rows, quick(10))
	ctx, cancel := context.WithCancel(t.Context())
	c := newCrawler(ctx, t, "a", home, plan)
	cancel()
	if err := c.Run(ctx, deaf{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestBodiesUnderWayStayWithinTheirMemory(t *testing.T) {
	var mu sync.Mutex
	under, most := int64(0), int64(0)
	w, home := newWeb(t), store.NewMem()
	var rows []Row
	for i := range 40 {
		rows = append(rows, Row{URL: fmt.Sprintf("%s/png/%d", w.URL, i)})
	}
	how := loopback()
	s := quick(40)
	s.MaxBytes = int64(len(w.png))
	how.MemoryBytes = 3 * s.MaxBytes
	plan := begin(t, home, rows, s)
	c, err := NewCrawler(t.Context(), "a", home, plan, how)
	if err != nil {
		t.Fatal(err)
	}
	defer c.fetcher.close()
	var g errgroup.Group
	for _, row := range rows {
		g.Go(func() error {
			b, _, err := c.fetcher.fetch(t.Context(), row.URL)
			if err != nil {
				return err
			}
			mu.Lock()
			under += int64(len(b.data))
			most = max(most, under)
			under -= int64(len(b.data))
			mu.Unlock()
			if !c.fetcher.memory.TryAcquire(how.MemoryBytes) { // somebody holds a body: we do
				b.release()
				return nil
			}
			return errors.New("a body is held and its memory is free")
		})
	}
	if err := g.Wait(); err != nil || most > how.MemoryBytes {
		t.Errorf("%d bytes, %v", most, err)
	}
	if !c.fetcher.memory.TryAcquire(how.MemoryBytes) {
		t.Error("memory was not given back")
	}
}
