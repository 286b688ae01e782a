package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/textground/textground/store"
	"github.com/textground/textground/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return store.NewMem() })
}

func TestDirectory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, "file://"+t.TempDir()+"/not/yet/there") })
}

func TestBucketOnAServer(t *testing.T) {
	bucket := storetest.SetS3(t)
	n := 0
	storetest.Run(t, func(t *testing.T) store.Store {
		n++
		return open(t, bucket+"/"+string(rune('a'+n)))
	})
}

func TestARealServersRefusalsAreNamed(t *testing.T) {
	bucket := storetest.SetS3(t)
	refuse := func(url string, sentinel error, mend string) {
		t.Helper()
		_, err := store.Open(t.Context(), url)
		if !errors.Is(err, sentinel) || !strings.Contains(err.Error(), mend) || strings.Contains(err.Error(), "\n") {
			t.Errorf("open %s: %v, want %q with %q", url, err, sentinel, mend)
		}
	}
	refuse("s3://no-such-bucket/x", store.ErrNoBucket, "create it")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	refuse(bucket, store.ErrDenied, "AWS_SECRET_ACCESS_KEY")
	t.Setenv("AWS_ACCESS_KEY_ID", "nobody")
	refuse(bucket, store.ErrDenied, "AWS_ACCESS_KEY_ID")
}

func TestFaultyWithoutFaultsIsAStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store {
		return storetest.NewFaulty(store.NewMem(), func(storetest.Op) storetest.Fault { return storetest.None })
	})
}

func TestALostAnswerOfACreationLooksLikeExistsAndOursIsThere(t *testing.T) {
	endpoint, access, secret := storetest.StartVersityGW(t)
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	var puts atomic.Int32
	through := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}}
	through.ModifyResponse = func(response *http.Response) error {
		if response.Request.Method == http.MethodPut && puts.Add(1) == 1 {
			return fmt.Errorf("the answer is lost")
		}
		return nil
	}
	through.ErrorHandler = func(w http.ResponseWriter, r *http.Request, _ error) { panic(http.ErrAbortHandler) }
	proxy := httptest.NewServer(through)
	defer proxy.Close()
	t.Setenv("TEXTGROUND_S3_ENDPOINT", proxy.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	st := open(t, "s3://"+storetest.Bucket)
	if err := st.PutNew(t.Context(), "k", []byte("ours")); !errors.Is(err, store.ErrExists) {
		t.Errorf("got %v", err)
	}
	if data, err := store.ReadAll(t.Context(), st, "k"); err != nil || string(data) != "ours" {
		t.Errorf("got %q, %v", data, err)
	}
}

func open(t *testing.T, url string, opts ...store.Option) store.Store {
	t.Helper()
	st, err := store.Open(context.Background(), url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return st
}
