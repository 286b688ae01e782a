package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// diskThatFails is a directory store whose nth fsync from now on, and no other, fails.
func diskThatFails(t *testing.T, nth int) *directory {
	t.Helper()
	st, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := st.(*directory)
	d.sync = func(f *os.File) error {
		if nth--; nth == -1 {
			return &os.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO}
		}
		return f.Sync()
	}
	return d
}

func TestAFailedFsyncPublishesNothing(t *testing.T) {
	failed := 0
	for nth := range 10 {
		d := diskThatFails(t, nth)
		err := d.PutNew(t.Context(), "a/b", []byte("data"))
		if err == nil {
			continue
		}
		failed++
		if !errors.Is(err, syscall.EIO) || errors.Is(err, ErrExists) {
			t.Errorf("fsync %d: %v", nth, err)
		}
		if _, err := d.Stat(t.Context(), "a/b"); !errors.Is(err, ErrNotExist) {
			t.Errorf("fsync %d failed, but the object is there: %v", nth, err)
		}
		if err := d.PutNew(t.Context(), "a/b", []byte("data")); err != nil {
			t.Errorf("after fsync %d failed the key is not free: %v", nth, err)
		}
		wantNoScratch(t, d)
	}
	// Scratch directory, its parent's entry, data, directory a, its name: each sync was made to fail once.
	if failed < 4 {
		t.Errorf("only %d of the syncs were reached", failed)
	}
}

func wantNoScratch(t *testing.T, d *directory) {
	t.Helper()
	entries, err := os.ReadDir(d.scratchDir())
	if err != nil || len(entries) > 0 {
		t.Errorf("left in scratch: %v, %v", entries, err)
	}
}

func TestLeftoversOfKilledWritersAreSweptAndOfLivingOnesNot(t *testing.T) {
	root := t.TempDir()
	scratch := filepath.Join(root, scratchName)
	if err := os.Mkdir(scratch, 0o755); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(scratch, "put-dead")
	if err := os.WriteFile(dead, []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	living, err := createScratch(scratch)
	if err != nil {
		t.Fatal(err)
	}
	defer living.Close()
	if _, err := OpenDir(root); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the leftover stayed: %v", err)
	}
	if _, err := os.Stat(living.Name()); err != nil {
		t.Errorf("a living writer lost its file: %v", err)
	}
}

func TestObjectsCannotNest(t *testing.T) {
	st, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Put(t.Context(), "a/b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"a": "other objects lie below", "a/b/c": "below another object"} {
		if err := st.Put(t.Context(), key, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("put %s: %v", key, err)
		}
		if err := st.PutNew(t.Context(), key, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("create %s: %v", key, err)
		}
	}
	wantNoScratch(t, st.(*directory))
}

func TestOpenNamesWhatItCannotOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"":              "no place given",
		"file://":       "not a place",
		"gopher://x":    "file://DIR or s3://BUCKET/PREFIX",
		"mem://x":       "not a place",
		file:            "a file, not a directory",
		"s3://b/../up":  `".."`,
		"s3://b/a\x00b": "character",
	} {
		if _, err := Open(t.Context(), url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open %q: %v, want %q", url, err, want)
		}
	}
	if st, err := Open(t.Context(), "mem://"); err != nil || st.String() != "mem://" {
		t.Errorf("%v, %v", st, err)
	}
}

// wantOneLine is what every expected failure looks like: the sentinel, on one line, with these words.
func wantOneLine(t *testing.T, err, sentinel error, words ...string) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Errorf("got %v, want %v", err, sentinel)
		return
	}
	if strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("more than a line: %q", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}
