package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/textground/textground/store"
)

// Run drives the store that open returns through the promises of store.Store. open is called once a promise and returns
// an empty store.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	promises := []struct {
		name  string
		check func(t *testing.T, st store.Store)
	}{
		{"what is put is got", putIsGot},
		{"ranges are cut to the object", ranges},
		{"put replaces", putReplaces},
		{"create refuses an existing key and changes nothing", createRefuses},
		{"of eight concurrent creators one wins", oneCreatorWins},
		{"a put is atomic to readers", putIsAtomic},
		{"an absent key is ErrNotExist", absentKey},
		{"deleting is idempotent and frees the key", deleting},
		{"list is by prefix and sorted", listing},
		{"keys that could leave the store are refused", badKeys},
		{"a prefix is a store of its own", prefixes},
		{"an object of several pieces comes whole", largeObject},
		{"creators and deleters of neighbours do not disturb each other", neighbours},
		{"a cancelled context stops an operation", cancelled},
		{"the probe passes and leaves nothing", probe},
	}
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) { p.check(t, open(t)) })
	}
}

func putIsGot(t *testing.T, st store.Store) {
	ctx := t.Context()
	for key, data := range map[string]string{"a": "1", "dir/b": "22", "dir/sub/c d+é%20.tar": "", "dir-b": "x\x00y"} {
		if err := st.Put(ctx, key, []byte(data)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, st, key); got != data {
			t.Errorf("%s: got %q, want %q", key, got, data)
		}
		if info, err := st.Stat(ctx, key); err != nil || info.Key != key || info.Size != int64(len(data)) {
			t.Errorf("%s: stat %v, %v", key, info, err)
		}
	}
	buffer := []byte("mine")
	if err := st.Put(ctx, "aliased", buffer); err != nil {
		t.Fatal(err)
	}
	copy(buffer, "gone")
	if got := read(t, st, "aliased"); got != "mine" {
		t.Errorf("the store kept the caller's buffer: %q", got)
	}
}

func ranges(t *testing.T, st store.Store) {
	ctx := t.Context()
	put(t, st, "k", "0123456789")
	for _, c := range []struct {
		offset, length int64
		want           string
	}{{0, -1, "0123456789"}, {3, -1, "3456789"}, {3, 4, "3456"}, {8, 100, "89"}, {0, 0, ""}, {5, 0, ""}, {10, -1, ""}, {10, 5, ""}, {9, 1, "9"}} {
		body, err := st.Get(ctx, "k", c.offset, c.length)
		if err != nil {
			t.Errorf("range %d+%d: %v", c.offset, c.length, err)
			continue
		}
		got, err := io.ReadAll(body)
		if err != nil || string(got) != c.want || body.Close() != nil {
			t.Errorf("range %d+%d: got %q, want %q, %v", c.offset, c.length, got, c.want, err)
		}
	}
	for _, offset := range []int64{-1, 11} {
		if _, err := st.Get(ctx, "k", offset, 1); err == nil || errors.Is(err, store.ErrNotExist) {
			t.Errorf("a range that begins at %d of 10 bytes gave %v", offset, err)
		}
	}
	put(t, st, "empty", "")
	if got := read(t, st, "empty"); got != "" {
		t.Errorf("an empty object gave %q", got)
	}
}

func putReplaces(t *testing.T, st store.Store) {
	put(t, st, "k", "a longer first version")
	put(t, st, "k", "second")
	if got := read(t, st, "k"); got != "second" {
		t.Errorf("got %q", got)
	}
}

func createRefuses(t *testing.T, st store.Store) {
	ctx := t.Context()
	if err := st.PutNew(ctx, "dir/k", []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := st.PutNew(ctx, "dir/k", []byte("second")); !errors.Is(err, store.ErrExists) {
		t.Errorf("second creation: %v", err)
	}
	put(t, st, "put", "first")
	if err := st.PutNew(ctx, "put", []byte("second")); !errors.Is(err, store.ErrExists) {
		t.Errorf("creation after a put: %v", err)
	}
	for _, key := range []string{"dir/k", "put"} {
		if got := read(t, st, key); got != "first" {
			t.Errorf("%s: got %q", key, got)
		}
	}
}

func oneCreatorWins(t *testing.T, st store.Store) {
	const rounds, racers = 8, 8
	for round := range rounds {
		key := fmt.Sprintf("race/%d/k", round)
		var results [racers]error
		var all sync.WaitGroup
		for i := range racers {
			all.Go(func() { results[i] = st.PutNew(t.Context(), key, fmt.Appendf(nil, "racer %d", i)) })
		}
		all.Wait()
		var winners []string
		for i, err := range results {
			if err == nil {
				winners = append(winners, fmt.Sprintf("racer %d", i))
			} else if !errors.Is(err, store.ErrExists) {
				t.Errorf("%s: racer %d: %v", key, i, err)
			}
		}
		if len(winners) != 1 || winners[0] != read(t, st, key) {
			t.Errorf("%s: winners %v, content %q", key, winners, read(t, st, key))
		}
	}
}

func putIsAtomic(t *testing.T, st store.Store) {
	versions := []string{strings.Repeat("a", 100_000), strings.Repeat("b", 50_000)}
	put(t, st, "k", versions[0])
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := range 10 {
			if err := st.Put(t.Context(), "k", []byte(versions[i%2])); err != nil {
				t.Error(err)
			}
		}
	})
	for range 20 {
		if got := read(t, st, "k"); got != versions[0] && got != versions[1] {
			t.Errorf("a mixture of %d bytes", len(got))
		}
	}
	writer.Wait()
}

func absentKey(t *testing.T, st store.Store) {
	ctx := t.Context()
	put(t, st, "dir/k", "1")
	for _, key := range []string{"absent", "dir", "dir/absent", "dir/k/below"} {
		if _, err := st.Get(ctx, key, 0, -1); !errors.Is(err, store.ErrNotExist) || !strings.Contains(err.Error(), key) {
			t.Errorf("get %s: %v", key, err)
		}
		if _, err := st.Stat(ctx, key); !errors.Is(err, store.ErrNotExist) || !strings.Contains(err.Error(), key) {
			t.Errorf("stat %s: %v", key, err)
		}
		if err := st.Delete(ctx, key); err != nil {
			t.Errorf("delete %s: %v", key, err)
		}
	}
	if got := read(t, st, "dir/k"); got != "1" {
		t.Errorf("a neighbour changed: %q", got)
	}
}

func deleting(t *testing.T, st store.Store) {
	ctx := t.Context()
	put(t, st, "a/b/c", "1")
	put(t, st, "a/d", "2")
	for range 2 {
		if err := st.Delete(ctx, "a/b/c"); err != nil {
			t.Error(err)
		}
	}
	if _, err := st.Stat(ctx, "a/b/c"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("deleted and still there: %v", err)
	}
	wantKeys(t, st, "", "a/d")
	if err := st.PutNew(ctx, "a/b/c", []byte("again")); err != nil {
		t.Errorf("the key is not free: %v", err)
	}
}

func listing(t *testing.T, st store.Store) {
	wantKeys(t, st, "")
	wantKeys(t, st, "no/such/place/")
	for _, key := range []string{"runs/b/1", "runs/a/2", "runs/a/10", "runs/a-b", "runs/a.x/y", "other"} {
		put(t, st, key, key)
	}
	wantKeys(t, st, "", "other", "runs/a-b", "runs/a.x/y", "runs/a/10", "runs/a/2", "runs/b/1")
	wantKeys(t, st, "runs/a", "runs/a-b", "runs/a.x/y", "runs/a/10", "runs/a/2")
	wantKeys(t, st, "runs/a/", "runs/a/10", "runs/a/2")
	wantKeys(t, st, "runs/a/2", "runs/a/2")
	wantKeys(t, st, "runs/a/2/")
	infos, err := st.List(t.Context(), "runs/a/10")
	if err != nil || len(infos) != 1 || infos[0].Key != "runs/a/10" || infos[0].Size != 9 {
		t.Errorf("sizes: %v, %v", infos, err)
	}
}

func badKeys(t *testing.T, st store.Store) {
	ctx := t.Context()
	for _, key := range []string{"", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/..", ".", "a/./b", "a\x00b", "a\nb", `a\b`, "\xff", ".tmp/x", strings.Repeat("k", 1025)} {
		if err := st.Put(ctx, key, nil); err == nil {
			t.Errorf("put %q was accepted", key)
		}
		if err := st.PutNew(ctx, key, nil); err == nil {
			t.Errorf("create %q was accepted", key)
		}
		if _, err := st.Get(ctx, key, 0, -1); err == nil || errors.Is(err, store.ErrNotExist) {
			t.Errorf("get %q: %v", key, err)
		}
		if _, err := st.Stat(ctx, key); err == nil || errors.Is(err, store.ErrNotExist) {
			t.Errorf("stat %q: %v", key, err)
		}
		if err := st.Delete(ctx, key); err == nil {
			t.Errorf("delete %q was accepted", key)
		}
	}
	for _, prefix := range []string{"../", "a/../", "/", "a\x00"} {
		if _, err := st.List(ctx, prefix); err == nil {
			t.Errorf("list %q was accepted", prefix)
		}
	}
	wantKeys(t, st, "")
}

func prefixes(t *testing.T, st store.Store) {
	ctx := t.Context()
	below := store.WithPrefix(st, "some/where")
	put(t, below, "k", "1")
	put(t, st, "some/where-else", "2")
	if got := read(t, st, "some/where/k"); got != "1" {
		t.Errorf("got %q", got)
	}
	wantKeys(t, below, "", "k")
	if info, err := below.Stat(ctx, "k"); err != nil || info.Key != "k" {
		t.Errorf("stat %v, %v", info, err)
	}
	if err := below.Put(ctx, "../up", nil); err == nil {
		t.Error("a key left the prefix")
	}
	if _, err := below.List(ctx, "../"); err == nil {
		t.Error("a list left the prefix")
	}
	if err := below.Delete(ctx, "k"); err != nil {
		t.Error(err)
	}
	wantKeys(t, st, "", "some/where-else")
}

func largeObject(t *testing.T, st store.Store) {
	data := make([]byte, 17<<20+3)
	for i := range data {
		data[i] = byte(i >> 10)
	}
	if err := st.PutNew(t.Context(), "large", data); err != nil {
		t.Fatal(err)
	}
	got, err := store.ReadAll(t.Context(), st, "large")
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes, %v", len(got), len(data), err)
	}
	const begin, length = 7 << 20, 9 << 20
	body, err := st.Get(t.Context(), "large", begin, length)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if part, err := io.ReadAll(body); err != nil || !bytes.Equal(part, data[begin:begin+length]) {
		t.Errorf("range: %d of %d bytes, %v", len(part), length, err)
	}
}

func neighbours(t *testing.T, st store.Store) {
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 8 {
				key := fmt.Sprintf("shared/dir/%d", i)
				if err := st.PutNew(t.Context(), key, []byte("x")); err != nil {
					t.Error(err)
				}
				if err := st.Delete(t.Context(), key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	wantKeys(t, st, "")
}

func cancelled(t *testing.T, st store.Store) {
	put(t, st, "k", "1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := st.Get(ctx, "k", 0, -1)
	_, listErr := st.List(ctx, "")
	for what, err := range map[string]error{"get": getErr, "list": listErr, "put": st.Put(ctx, "k", nil), "create": st.PutNew(ctx, "new", nil), "delete": st.Delete(ctx, "k")} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := read(t, st, "k"); got != "1" {
		t.Errorf("got %q", got)
	}
}

func probe(t *testing.T, st store.Store) {
	if err := store.Probe(t.Context(), st); err != nil {
		t.Error(err)
	}
	wantKeys(t, st, "")
}

func put(t *testing.T, st store.Store, key, data string) {
	t.Helper()
	if err := st.Put(t.Context(), key, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, st store.Store, key string) string {
	t.Helper()
	data, err := store.ReadAll(t.Context(), st, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func wantKeys(t *testing.T, st store.Store, prefix string, want ...string) {
	t.Helper()
	infos, err := st.List(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, info := range infos {
		got = append(got, info.Key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list %q (-want +got):\n%s", prefix, diff)
	}
}
