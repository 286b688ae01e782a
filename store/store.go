package store

import (
	"context"
	"errors"
	"io"
)

// Errors that callers tell apart with errors.Is. Every error also names the store and the key.
var (
	ErrNotExist = errors.New("does not exist")
	ErrExists   = errors.New("exists already")
)

// Info describes one object.
type Info struct {
	Key  string
	Size int64
	// Version is another one after every change of the object, as far as the store can tell: an entity tag, a time of change.
	Version string
}

// Store holds immutable-by-convention objects under slash-separated keys. Implementations are safe for concurrent use and
// pass storetest. A Put is atomic: readers see the whole old object, the whole new one, or none.
type Store interface {
	// Get opens length bytes of key from offset; length < 0 means to the end. ErrNotExist where there is no such key.
	Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
	// Put writes data under key, replacing what was there.
	Put(ctx context.Context, key string, data []byte) error
	// PutNew writes data under key unless the key exists; then it returns ErrExists and changes nothing. An ErrExists that
	// is really the echo of our own write, whose answer was lost, is possible on remote stores: callers compare contents.
	PutNew(ctx context.Context, key string, data []byte) error
	// List returns the objects whose keys begin with prefix, sorted by key.
	List(ctx context.Context, prefix string) ([]Info, error)
	// Stat describes key, or returns ErrNotExist.
	Stat(ctx context.Context, key string) (Info, error)
	// Delete removes key; deleting a key that does not exist is no error.
	Delete(ctx context.Context, key string) error
	// String names the store for messages, without secrets: "file:///data/run", "s3://bucket/prefix".
	String() string
}
