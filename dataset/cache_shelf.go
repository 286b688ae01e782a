package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// newShelf returns a shelf in a directory, or in memory if none is given.
func newShelf(dir string) shelf {
	if dir == "" {
		return memoryShelf{}
	}
	d := directoryShelf{dir}
	d.sweep()
	return d
}

// memoryShelf keeps shards as byte slices; the cache itself is what remembers them.
type memoryShelf struct{}

func (memoryShelf) find(*Shard) (book, error) { return nil, fs.ErrNotExist }

func (memoryShelf) put(s *Shard, fill func(io.Writer) error) (book, error) {
	b := bytes.NewBuffer(make([]byte, 0, s.Size))
	if err := fill(b); err != nil {
		return nil, err
	}
	return memoryBook{bytes.NewReader(b.Bytes())}, nil
}

func (memoryShelf) remove(*Shard) {}

type memoryBook struct{ *bytes.Reader }

func (memoryBook) Close() error { return nil }

// directoryShelf keeps shards as files named by their digest, so that several processes and data sets may share it and a
// later process finds them again.
type directoryShelf struct{ dir string }

func (d directoryShelf) path(s *Shard) string { return filepath.Join(d.dir, s.SHA256+".tar") }

func (d directoryShelf) find(s *Shard) (book, error) { return os.Open(d.path(s)) }

// put writes a temporary file and renames it: a name never stands for half a shard.
func (d directoryShelf) put(s *Shard, fill func(io.Writer) error) (book, error) {
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the shard cache: %w", err)
	}
	f, err := os.CreateTemp(d.dir, ".fetch-*")
	if err != nil {
		return nil, fmt.Errorf("making room in the shard cache: %w", err)
	}
	if err = fill(f); err == nil {
		err = os.Rename(f.Name(), d.path(s))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil // another process swept it away; the open file is still whole
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, fmt.Errorf("putting shard %s into the cache %s: %w", s.Name, d.dir, err)
	}
	return f, nil
}

// sweep removes what killed processes left half fetched.
func (d directoryShelf) sweep() {
	left, _ := filepath.Glob(filepath.Join(d.dir, ".fetch-*"))
	for _, name := range left {
		os.Remove(name)
	}
}

func (d directoryShelf) remove(s *Shard) { os.Remove(d.path(s)) }
