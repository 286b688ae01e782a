package ingest

import (
	"context"
	"errors"
	"fmt"
	"image"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// site is a loopback server with a robots.txt of its own, which counts how often it is asked for that and when for the rest.
type site struct {
	*httptest.Server
	mu     sync.Mutex
	robots int
	begun  []time.Time
}

func newSite(t *testing.T, picture []byte, robots func(out http.ResponseWriter, times int)) *site {
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.URL.Path == "/robots.txt" {
			s.robots++
			robots(out, s.robots)
			return
		}
		s.begun = append(s.begun, time.Now())
		out.Write(picture)
	}))
	t.Cleanup(s.Close)
	return s
}

// fetchAll asks for n URLs of a site at once and returns the classes they end in, and the last failure.
func fetchAll(t *testing.T, f *fetcher, s *site, n int) (classes map[Class]int, last error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	classes = map[Class]int{}
	for i := range n {
		group.Go(func() {
			b, tries, err := f.fetch(t.Context(), fmt.Sprintf("%s/%d", s.URL, i))
			mu.Lock()
			defer mu.Unlock()
			class := Answered
			var failed *failure
			if errors.As(err, &failed) {
				class, last = failed.class, err
			} else if err != nil {
				t.Error(err)
			} else {
				b.release()
			}
			if tries != 1 {
				t.Errorf("%d tries", tries)
			}
			classes[class]++
		})
	}
	group.Wait()
	return classes, last
}

func fetcherFor(t *testing.T, pace time.Duration) *fetcher {
	how := loopback()
	how.Interval = pace
	f := newFetcher(t.Context(), quick(1), how, &Counts{})
	t.Cleanup(f.close)
	return f
}

// Of the crawler's own pace and the site's the slower one counts.
func TestCrawlDelayIsWaitedForBetweenRequests(t *testing.T) {
	const n = 4
	for _, c := range []struct {
		delay string
		pace  time.Duration
		least time.Duration
	}{{"0.08", 0, 80 * time.Millisecond}, {"0.001", 50 * time.Millisecond, 50 * time.Millisecond}} {
		s := newSite(t, testJPEG(image.Pt(40, 30), 1), func(out http.ResponseWriter, _ int) { fmt.Fprintf(out, "User-agent: *\nCrawl-delay: %s\n", c.delay) })
		began := time.Now()
		if classes, err := fetchAll(t, fetcherFor(t, c.pace), s, n); classes[Answered] != n {
			t.Errorf("%v, %v", classes, err)
		}
		if took := s.begun[len(s.begun)-1].Sub(began); took < (n-1)*c.least {
			t.Errorf("Crawl-delay %s and a pace of %s: %d requests within %s", c.delay, c.pace, n, took)
		}
	}
}

func TestACrawlDelayBeyondTheCapIsANo(t *testing.T) {
	s := newSite(t, nil, func(out http.ResponseWriter, _ int) { fmt.Fprint(out, "User-agent: *\nCrawl-delay: 61\n") })
	classes, err := fetchAll(t, fetcherFor(t, 0), s, 5)
	if classes[ByRobots] != 5 || len(s.begun) != 0 {
		t.Errorf("%v, %d requests", classes, len(s.begun))
	}
	host := s.Listener.Addr().String()
	if want := "robots: robots.txt of " + host + " asks for 1m1s between two requests (Crawl-delay); more than 1m0s is taken as no"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestARobotsFileThatCannotBeHadIsAskedForOnce(t *testing.T) {
	const n = 20
	for status, want := range map[int]struct {
		class Class
		asked int
	}{500: {ServerError, 2}, 503: {ServerError, 2}, 404: {Answered, 1}, 403: {Answered, 1}, 410: {Answered, 1}} {
		s := newSite(t, testJPEG(image.Pt(40, 30), 1), func(out http.ResponseWriter, _ int) { out.WriteHeader(status) })
		classes, err := fetchAll(t, fetcherFor(t, 0), s, n)
		if classes[want.class] != n || s.robots != want.asked || errors.Is(err, errNoRobots) != (want.class != Answered) {
			t.Errorf("status %d: %v, asked %d times, %v", status, classes, s.robots, err)
		}
		if want.class != Answered && len(s.begun) > 0 {
			t.Errorf("status %d: %d requests beside robots.txt", status, len(s.begun))
		}
	}
	gone := newSite(t, nil, nil)
	gone.Close()
	f := fetcherFor(t, 0)
	if classes, _ := fetchAll(t, f, gone, n); classes[Connection] != n || f.counts.Requests.Load() != 2 {
		t.Errorf("nobody there: %v, %d requests", classes, f.counts.Requests.Load())
	}
}

func TestARobotsFileThatIsLateIsReadAtTheSecondTry(t *testing.T) {
	s := newSite(t, testJPEG(image.Pt(40, 30), 1), func(out http.ResponseWriter, times int) {
		if times == 1 {
			out.WriteHeader(http.StatusBadGateway)
		}
	})
	if classes, err := fetchAll(t, fetcherFor(t, 0), s, 5); classes[Answered] != 5 || s.robots != 2 {
		t.Errorf("%v, %v, asked %d times", classes, err, s.robots)
	}
}

// An answer holds for as long as it says, and a site that was away is asked again later.
func TestAnAnswerHoldsForItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := newCache(t.Context(), func(context.Context, string) (int, time.Duration, error) {
			asked++
			return asked, robotsFailureTTL, nil
		})
		get := func() int {
			n, err := c.get(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		first, again := get(), get()
		time.Sleep(robotsFailureTTL - time.Second)
		almost := get()
		time.Sleep(time.Second)
		if later := get(); first != 1 || again != 1 || almost != 1 || later != 2 {
			t.Errorf("%d, %d, %d, then %d", first, again, almost, later)
		}
	})
}
