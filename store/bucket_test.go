package store

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The rehearsed server answers as S3 does, from a script; what a real one does is in conformance_test.go.

const canary = "canary-secret-0x1p-24"

// stoppedClock lets no real time pass: a sleep only moves the hands.
type stoppedClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *stoppedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stoppedClock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return ctx.Err()
}

// s3Environment points the S3 variables at endpoint.
func s3Environment(t *testing.T, endpoint string) {
	t.Helper()
	t.Setenv("TEXTGROUND_S3_ENDPOINT", endpoint)
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", canary)
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_REGION", "us-east-1")
}

const emptyList = `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><KeyCount>0</KeyCount><MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>`

// rehearsed starts a server whose list of the bucket is empty and whose objects answer by the script, and opens the bucket.
func rehearsed(t *testing.T, object http.HandlerFunc, opts ...Option) (Store, *stoppedClock) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.TrimSuffix(r.URL.Path, "/") == "/bucket" {
			fmt.Fprint(w, emptyList)
			return
		}
		object(w, r)
	}))
	t.Cleanup(server.Close)
	s3Environment(t, server.URL)
	clock := &stoppedClock{}
	st, err := Open(t.Context(), "s3://bucket", append(opts, WithClock(clock))...)
	if err != nil {
		t.Fatal(err)
	}
	return st, clock
}

func s3Error(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>rehearsed</Message></Error>`, code)
}

func TestAnOutageShorterThanAMinuteIsRiddenOutAndReported(t *testing.T) {
	var tries atomic.Int32
	var retries []Retry
	st, clock := rehearsed(t, func(w http.ResponseWriter, r *http.Request) {
		if tries.Add(1) < 12 {
			s3Error(w, http.StatusServiceUnavailable, "SlowDown")
			return
		}
		w.Header().Set("ETag", `"1"`)
	}, OnRetry(func(r Retry) { retries = append(retries, r) }))
	if err := st.PutNew(t.Context(), "k", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if len(retries) != 11 || retries[0].Operation != "create" || retries[0].Key != "k" || !strings.Contains(retries[0].Err.Error(), "rehearsed") {
		t.Errorf("retries reported: %v", retries)
	}
	if waited := clock.Now().Sub(time.Time{}); waited < 30*time.Second || waited > time.Minute {
		t.Errorf("waited %s", waited)
	}
}

func TestALongOutageEndsWithTheServersWords(t *testing.T) {
	st, clock := rehearsed(t, func(w http.ResponseWriter, r *http.Request) { s3Error(w, http.StatusServiceUnavailable, "SlowDown") })
	err := st.Put(t.Context(), "k", nil)
	if err == nil || !strings.Contains(err.Error(), "503 SlowDown") || !strings.Contains(err.Error(), "s3://bucket: put k") {
		t.Errorf("got %v", err)
	}
	if waited := clock.Now().Sub(time.Time{}); waited < 50*time.Second || waited > 61*time.Second {
		t.Errorf("gave up after %s", waited)
	}
}

func TestAConflictIsRetriedAndAPreconditionIsNot(t *testing.T) {
	var tries atomic.Int32
	st, _ := rehearsed(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != "*" {
			t.Errorf("a creation without its condition")
		}
		if tries.Add(1) < 3 {
			s3Error(w, http.StatusConflict, "ConditionalRequestConflict")
			return
		}
		s3Error(w, http.StatusPreconditionFailed, "PreconditionFailed")
	})
	wantOneLine(t, st.PutNew(t.Context(), "k", nil), ErrExists, "k")
	if tries.Load() != 3 {
		t.Errorf("%d tries", tries.Load())
	}
}

func TestWhatWillNotPassIsSaidAtOnceWithItsMend(t *testing.T) {
	for _, c := range []struct {
		status   int
		code     string
		sentinel error
		mend     string
	}{
		{404, "NoSuchBucket", ErrNoBucket, "create it"},
		{403, "InvalidAccessKeyId", ErrDenied, "AWS_ACCESS_KEY_ID"},
		{403, "SignatureDoesNotMatch", ErrDenied, "AWS_SECRET_ACCESS_KEY"},
		{403, "AccessDenied", ErrDenied, "policy"},
		{400, "ExpiredToken", ErrDenied, "get new ones"},
		{403, "RequestTimeTooSkewed", ErrDenied, "clock"},
		{507, "InsufficientStorage", ErrNoSpace, "free some space"},
		{507, "XMinioStorageFull", ErrNoSpace, "free some space"},
		{404, "NoSuchKey", ErrNotExist, ""},
	} {
		t.Run(c.code, func(t *testing.T) {
			var tries atomic.Int32
			st, _ := rehearsed(t, func(w http.ResponseWriter, r *http.Request) {
				tries.Add(1)
				s3Error(w, c.status, c.code)
			})
			_, err := st.Get(t.Context(), "some/k", 0, -1)
			wantOneLine(t, err, c.sentinel, "s3://bucket", "some/k", c.mend)
			if tries.Load() != 1 {
				t.Errorf("%d tries", tries.Load())
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the secret is in %q", err)
			}
		})
	}
}

func TestABrokenConnectionCostsAPieceNotTheObject(t *testing.T) {
	data := strings.Repeat("0123456789abcdef", 600_000) // 9.6 MB: two pieces
	var gets atomic.Int32
	var retries atomic.Int32
	st, _ := rehearsed(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Last-Modified", "Wed, 25 Nov 2026 10:00:00 GMT")
		if gets.Add(1)%2 == 1 {
			cutConnection(t, w, data)
			return
		}
		http.ServeContent(w, r, "k", time.Time{}, strings.NewReader(data))
	}, OnRetry(func(Retry) { retries.Add(1) }))
	got, err := ReadAll(t.Context(), st, "k")
	if err != nil || string(got) != data {
		t.Errorf("%d of %d bytes, %v", len(got), len(data), err)
	}
	if retries.Load() != 2 {
		t.Errorf("%d retries", retries.Load())
	}
}

// cutConnection promises the whole range and closes after some of it.
func cutConnection(t *testing.T, w http.ResponseWriter, data string) {
	conn, buffer, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	fmt.Fprintf(buffer, "HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\nLast-Modified: Wed, 25 Nov 2026 10:00:00 GMT\r\nContent-Length: 1000000\r\nContent-Range: bytes 0-999999/%d\r\n\r\n%s", len(data), data[:1000])
	_ = buffer.Flush()
}

func TestAnObjectReplacedUnderItsReaderIsNotMixed(t *testing.T) {
	data := strings.Repeat("x", pieceBytes+1)
	var gets atomic.Int32
	st, _ := rehearsed(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, gets.Add(1)))
		http.ServeContent(w, r, "k", time.Unix(1, 0), strings.NewReader(data))
	})
	if _, err := ReadAll(t.Context(), st, "k"); err == nil || !strings.Contains(err.Error(), "replaced while it was read") {
		t.Errorf("got %v", err)
	}
}

func TestOpenSaysWhatIsWrongWithTheBucket(t *testing.T) {
	script := func(status int, code string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s3Error(w, status, code) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	for _, c := range []struct {
		name, endpoint string
		sentinel       error
		words          []string
	}{
		{"missing bucket", script(404, "NoSuchBucket"), ErrNoBucket, []string{"bucket", "create it"}},
		{"wrong key", script(403, "InvalidAccessKeyId"), ErrDenied, []string{"AWS_ACCESS_KEY_ID"}},
		{"wrong secret", script(403, "SignatureDoesNotMatch"), ErrDenied, []string{"AWS_SECRET_ACCESS_KEY"}},
		{"nobody listens", "http://" + nobody.Addr().String(), ErrUnreachable, []string{nobody.Addr().String(), "TEXTGROUND_S3_ENDPOINT", "refused"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s3Environment(t, c.endpoint)
			_, err := Open(t.Context(), "s3://bucket/some/prefix")
			wantOneLine(t, err, c.sentinel, append(c.words, "s3://bucket")...)
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the secret is in %q", err)
			}
		})
	}
	for _, endpoint := range []string{"127.0.0.1:9000", "ftp://x", "http://user:" + canary + "@127.0.0.1:1", "http://"} {
		s3Environment(t, endpoint)
		_, err := Open(t.Context(), "s3://bucket")
		if err == nil || !strings.Contains(err.Error(), "correct TEXTGROUND_S3_ENDPOINT") || strings.Contains(err.Error(), canary) {
			t.Errorf("endpoint %q: %v", endpoint, err)
		}
	}
}

func TestWhoMayNotListMayStillOpen(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s3Error(w, 403, "AccessDenied") }))
	defer server.Close()
	s3Environment(t, server.URL)
	st, err := Open(t.Context(), "s3://bucket")
	if err != nil {
		t.Fatal(err)
	}
	_, err = st.List(t.Context(), "runs/")
	wantOneLine(t, err, ErrDenied, "list runs/", "policy")
}

func TestTheSecretIsInNoNameOfTheStore(t *testing.T) {
	st, _ := rehearsed(t, func(http.ResponseWriter, *http.Request) {})
	for _, text := range []string{st.String(), fmt.Sprint(st), fmt.Sprintf("%v", WithPrefix(st, "p"))} {
		if strings.Contains(text, canary) || !strings.HasPrefix(text, "s3://bucket") {
			t.Errorf("the store is called %q", text)
		}
	}
}

func TestAServerThatNeverAnswersIsLeftAndAskedAgain(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	s3Environment(t, server.URL)
	account, err := accountFromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	b := &bucket{name: "bucket"}
	if b.core, err = account.connect(); err != nil {
		t.Fatal(err)
	}
	err = within(t.Context(), 20*time.Millisecond, func(ctx context.Context) error {
		_, err := b.listOnce(ctx, "")
		return err
	})
	if err == nil || !passing(err) || !strings.Contains(err.Error(), "no answer within 20ms") {
		t.Errorf("got %v", err)
	}
	if got := (call{bytes: 32 << 20}).limit(); got != callBase+128*time.Second {
		t.Errorf("a volume of 32 MiB gets %s", got)
	}
}

func TestMain(m *testing.M) {
	if root := os.Getenv(writerDir); root != "" {
		fmt.Fprintln(os.Stderr, endlessWriter(root))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"))
}
