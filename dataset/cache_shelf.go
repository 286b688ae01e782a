package dataset

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"sync"
)

// newShelf returns a shelf in a directory, or in memory if none is given.
func newShelf(dir string, budget int64) shelf {
	if dir == "" {
		return &memoryShelf{budget: budget, books: map[string]*memoryBook{}}
	}
	return &directoryShelf{dir: dir, budget: budget, checked: map[string]fs.FileInfo{}}
}

// memoryShelf keeps shards as byte slices.
type memoryShelf struct {
	budget int64

	mu    sync.Mutex
	books map[string]*memoryBook // by digest
	used  int64
	uses  uint64
}

type memoryBook struct {
	*bytes.Reader
	shelf   *memoryShelf
	digest  string
	users   int    // guarded by the shelf's lock; a book with users stays
	lastUse uint64 // the same
}

func (m *memoryShelf) find(s *Shard) (book, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.books[s.SHA256]
	if b == nil {
		return nil, false, fs.ErrNotExist
	}
	m.open(b)
	return b, true, nil
}

func (m *memoryShelf) put(_ context.Context, s *Shard, fill func(draft) error) (book, error) {
	d := &memoryDraft{data: make([]byte, 0, s.Size)}
	if err := fill(d); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.books[s.SHA256]; b != nil { // two shards of the same bytes
		m.open(b)
		return b, nil
	}
	b := &memoryBook{Reader: bytes.NewReader(d.data), shelf: m, digest: s.SHA256}
	m.books[s.SHA256] = b
	m.used += b.Size()
	m.open(b)
	m.evict()
	return b, nil
}

func (m *memoryShelf) remove(s *Shard) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.books[s.SHA256]; b != nil {
		m.drop(b)
	}
}

// open, drop and evict want the lock to be held.
func (m *memoryShelf) open(b *memoryBook) {
	m.uses++
	b.users, b.lastUse = b.users+1, m.uses
}

func (m *memoryShelf) drop(b *memoryBook) {
	delete(m.books, b.digest)
	m.used -= b.Size()
}

func (m *memoryShelf) evict() {
	for m.used > m.budget {
		var oldest *memoryBook
		for _, b := range m.books {
			if b.users == 0 && (oldest == nil || b.lastUse < oldest.lastUse) {
				oldest = b
			}
		}
		if oldest == nil {
			return
		}
		m.drop(oldest)
	}
}

func (b *memoryBook) Close() error {
	b.shelf.mu.Lock()
	defer b.shelf.mu.Unlock()
	b.users--
	b.shelf.evict()
	return nil
}

// memoryDraft is lost with the call that fills it.
type memoryDraft struct {
	data []byte
	read int
}

func (d *memoryDraft) Read(p []byte) (int, error) {
	if d.read == len(d.data) {
		return 0, io.EOF
	}
	n := copy(p, d.data[d.read:])
	d.read += n
	return n, nil
}

func (d *memoryDraft) Write(p []byte) (int, error) {
	d.data = append(d.data, p...)
	return len(p), nil
}

func (d *memoryDraft) discard() error {
	d.data, d.read = d.data[:0], 0
	return nil
}
