package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/sync/semaphore"
)

// Fetching is how one process asks, which changes no byte of a shard.
type Fetching struct {
	AtOnce       int           // requests under way
	PerHost      int           // of them to one host
	Interval     time.Duration // between the beginnings of two requests to one host
	MemoryBytes  int64         // for bodies under way and being decoded
	AllowPrivate bool          // also addresses that are not on the public internet
	Lookup       Lookup
}

// DefaultFetching asks a host for at most ten things a second, four at once.
func DefaultFetching() Fetching {
	return Fetching{AtOnce: 256, PerHost: 4, Interval: 100 * time.Millisecond, MemoryBytes: 1 << 30, Lookup: SystemLookup}
}

// Check refuses what makes no sense, by the name of its flag.
func (f Fetching) Check(s Settings) error {
	switch {
	case f.AtOnce < 1 || f.AtOnce > 10_000:
		return errors.New("--downloads: give 1 to 10000")
	case f.PerHost < 1:
		return errors.New("--per-host: give at least 1")
	case f.Interval < 0:
		return errors.New("--pace: give no negative time")
	case f.MemoryBytes < s.MaxBytes:
		return fmt.Errorf("--memory: give at least --max-bytes, %d", s.MaxBytes)
	}
	return nil
}

// fetcher gets bodies. It is safe for concurrent use.
type fetcher struct {
	settings Settings
	product  string
	client   *http.Client
	names    *resolver
	manners  *manners
	robots   *cache[*robots]
	slots    chan struct{}
	memory   *semaphore.Weighted
	counts   *Counts
}

// newFetcher returns a fetcher that works until life ends; close it then.
func newFetcher(life context.Context, s Settings, how Fetching, counts *Counts) *fetcher {
	f := &fetcher{settings: s, product: productName(s.Agent), names: newResolver(life, how.Lookup, s.Backoff), manners: newManners(how.PerHost, how.Interval),
		slots: make(chan struct{}, how.AtOnce), memory: semaphore.NewWeighted(how.MemoryBytes), counts: counts}
	f.robots = newCache(life, f.fetchRobots)
	dialer := &net.Dialer{Timeout: s.Timeout}
	if !how.AllowPrivate {
		dialer.Control = onlyPublic
	}
	f.client = &http.Client{
		Transport: &http.Transport{ // no proxy: it would connect in our place, past the check of the address
			DialContext:            f.dialWith(dialer),
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    how.PerHost,
			MaxIdleConns:           how.AtOnce,
			IdleConnTimeout:        10 * time.Second,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return f
}

func (f *fetcher) close() { f.client.CloseIdleConnections() }

// dialWith connects to the addresses that the resolver knows, so that what was checked is what is connected to.
func (f *fetcher) dialWith(dialer *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		name, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		addresses, err := f.names.addresses(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, a := range addresses {
			var c net.Conn
			if c, err = dialer.DialContext(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
				return c, nil
			}
		}
		return nil, err
	}
}

// body is what a URL gave.
type body struct {
	data    []byte
	status  int
	release func() // gives its memory back
}

// fetch gets url's body, trying again where that may help, and says how often it tried. The error is a *failure, or ends the
// crawl.
func (f *fetcher) fetch(ctx context.Context, address string) (b body, tries int, err error) {
	for tries = 1; ; tries++ {
		b, err = f.try(ctx, address)
		var failed *failure
		if err == nil || !errors.As(err, &failed) || !failed.class.Retryable() || errors.Is(err, errNoRobots) || tries >= f.settings.Tries {
			return b, tries, err
		}
		f.counts.Retries.Add(1)
		if !pause(ctx, max(f.settings.Backoff<<(tries-1), retryAfter(err))) {
			return body{}, tries, ctx.Err()
		}
	}
}

// try follows url to its body, once, within the time of one try.
func (f *fetcher) try(parent context.Context, address string) (body, error) {
	at, err := parseURL(address)
	if err != nil {
		return body{}, &failure{class: BadURL, err: err}
	}
	for hop := 0; ; hop++ {
		delay, err := f.askRobots(parent, at)
		if err != nil {
			return body{}, f.classify(parent, err)
		}
		b, next, err := f.hop(parent, at, delay)
		if err != nil {
			return body{}, f.classify(parent, err)
		}
		if next == nil {
			return b, nil
		}
		if hop == f.settings.MaxRedirects {
			return body{}, &failure{TooManyRedirects, b.status, fmt.Errorf("more than %d", f.settings.MaxRedirects)}
		}
		at = next
	}
}

// parseURL takes absolute http and https URLs.
func parseURL(address string) (*url.URL, error) {
	const maxURLBytes = 8 << 10
	if len(address) > maxURLBytes {
		return nil, fmt.Errorf("longer than %d bytes", maxURLBytes)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	return u, checkURL(u)
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("the scheme %.20q is neither http nor https", u.Scheme)
	case u.Hostname() == "":
		return errors.New("it names no host")
	case u.User != nil:
		return errors.New("it holds a user name")
	}
	return nil
}

// hop makes one request: next is where it redirects to, or nil with the body. It waits for the host's turn first, outside
// the time of the try; delay is what the host asks for between two.
func (f *fetcher) hop(parent context.Context, at *url.URL, delay time.Duration) (b body, next *url.URL, err error) {
	leave, err := f.manners.enter(parent, at.Host, delay)
	if err != nil {
		return body{}, nil, err
	}
	defer leave()
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-parent.Done():
		return body{}, nil, parent.Err()
	}
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	clock := time.AfterFunc(f.settings.Timeout, func() { cancel(context.DeadlineExceeded) })
	defer clock.Stop()
	if b, next, err = f.request(ctx, parent, at, clock); err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		err = context.DeadlineExceeded
	}
	return b, next, err
}

func (f *fetcher) request(ctx, parent context.Context, at *url.URL, clock *time.Timer) (b body, next *url.URL, err error) {
	response, err := f.get(ctx, at)
	if err != nil {
		return body{}, nil, err
	}
	defer response.Body.Close()
	b.status = response.StatusCode
	if location := response.Header.Get("Location"); location != "" && b.status >= 300 && b.status < 400 {
		if next, err = at.Parse(location); err == nil {
			err = checkURL(next)
		}
		if err != nil {
			return b, nil, &failure{BadURL, b.status, fmt.Errorf("it redirects to %.200q: %w", location, err)}
		}
		return b, next, nil
	}
	if err := f.judge(response); err != nil {
		return b, nil, err
	}
	b, err = f.read(parent, response, clock)
	return b, nil, err
}

func (f *fetcher) get(ctx context.Context, at *url.URL) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, &failure{class: BadURL, err: err}
	}
	request.Header.Set("User-Agent", f.settings.Agent)
	request.Header.Set("Accept", "image/*;q=1, */*;q=0.1")
	f.counts.Requests.Add(1)
	return f.client.Do(request)
}

// judge refuses a response by its status and headers.
func (f *fetcher) judge(r *http.Response) error {
	failed := func(class Class, format string, args ...any) error {
		return &failure{class, r.StatusCode, fmt.Errorf(format, args...)}
	}
	switch status := r.StatusCode; {
	case status == http.StatusTooManyRequests:
		return failed(TooManyRequests, "%w", &waitError{status, waitOf(r)})
	case status >= 500:
		return failed(ServerError, "%w", &waitError{status, waitOf(r)})
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return failed(ServerError, "status %d", status)
	case status != http.StatusOK:
		return failed(ClientError, "status %d", status)
	case r.ContentLength > f.settings.MaxBytes:
		return failed(TooLarge, "%d bytes, at most %d are read", r.ContentLength, f.settings.MaxBytes)
	}
	if directive := optedOut(r.Header.Values("X-Robots-Tag"), f.product); directive != "" && !f.settings.IgnoreTags {
		return failed(OptedOut, "X-Robots-Tag: %s", directive)
	}
	return nil
}

// waitError carries what Retry-After asks for.
type waitError struct {
	status int
	wait   time.Duration // 0 where it asks for nothing
}

func (e *waitError) Error() string {
	if e.wait == 0 {
		return fmt.Sprintf("status %d", e.status)
	}
	return fmt.Sprintf("status %d, come back in %s", e.status, e.wait)
}

const longestWait = 30 * time.Second

func waitOf(r *http.Response) time.Duration {
	seconds, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, longestWait)
}

func retryAfter(err error) time.Duration {
	var asked *waitError
	if errors.As(err, &asked) {
		return asked.wait
	}
	return 0
}

// read takes the body into memory that is reserved first: as much as the response promises, or as much as is allowed. The
// clock of the request stands while there is none, since that is not the host's fault.
func (f *fetcher) read(parent context.Context, r *http.Response, clock *time.Timer) (body, error) {
	reserved := r.ContentLength
	if reserved < 0 {
		reserved = f.settings.MaxBytes
	}
	if !f.memory.TryAcquire(reserved) {
		clock.Stop()
		if err := f.memory.Acquire(parent, reserved); err != nil {
			return body{}, err
		}
		clock.Reset(f.settings.Timeout)
	}
	release := func() { f.memory.Release(reserved) }
	b := bytes.NewBuffer(make([]byte, 0, max(r.ContentLength, 0)+bytes.MinRead)) // no growing where the length is known
	_, err := b.ReadFrom(io.LimitReader(r.Body, f.settings.MaxBytes+1))
	data := b.Bytes()
	f.counts.Bytes.Add(int64(len(data)))
	if err == nil && int64(len(data)) > f.settings.MaxBytes {
		err = &failure{TooLarge, r.StatusCode, fmt.Errorf("more than %d bytes", f.settings.MaxBytes)}
	}
	if err != nil {
		release()
		return body{}, err
	}
	return body{data, r.StatusCode, release}, nil
}

// classify turns whatever went wrong into a *failure, or passes on what ends the crawl.
func (f *fetcher) classify(parent context.Context, err error) error {
	var known *failure
	var refused *refusedAddress
	var nobody *noSuchHost
	var broken *brokenZone
	var timeout net.Error
	switch {
	case errors.Is(err, ErrResolver):
		return err
	case parent.Err() != nil:
		return parent.Err()
	case errors.As(err, &known):
		return known
	case errors.As(err, &refused):
		return &failure{class: RefusedAddress, err: refused}
	case errors.As(err, &nobody):
		return &failure{class: NoSuchHost, err: nobody}
	case errors.As(err, &broken):
		return &failure{class: BrokenName, err: broken}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &failure{class: Timeout, err: fmt.Errorf("no whole answer within %s", f.settings.Timeout)}
	}
	return &failure{class: Connection, err: err}
}
