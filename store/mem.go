package store

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// memory is a store for tests and for recomputing a run aside.
type memory struct {
	mu      sync.Mutex
	objects map[string]memoryObject
	puts    int
}

type memoryObject struct {
	data    []byte // never changed once it is here
	version int    // the number of the put
}

func (o memoryObject) info(key string) Info {
	return Info{Key: key, Size: int64(len(o.data)), Version: strconv.Itoa(o.version)}
}

// NewMem returns an empty store that lives as long as the process.
func NewMem() Store {
	return &memory{objects: map[string]memoryObject{}}
}

func (m *memory) String() string { return "mem://" }

func (m *memory) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	object, err := m.find(ctx, key)
	data := object.data
	if err == nil {
		err = checkRange(offset)
	}
	if err != nil {
		return nil, failure(m.String(), "get", key, err)
	}
	begin, end, err := rangeOf(int64(len(data)), offset, length)
	if err != nil {
		return nil, failure(m.String(), "get", key, err)
	}
	return io.NopCloser(bytes.NewReader(data[begin:end])), nil
}

func (m *memory) Stat(ctx context.Context, key string) (Info, error) {
	object, err := m.find(ctx, key)
	if err != nil {
		return Info{}, failure(m.String(), "stat", key, err)
	}
	return object.info(key), nil
}

func (m *memory) find(ctx context.Context, key string) (memoryObject, error) {
	if err := before(ctx, key); err != nil {
		return memoryObject{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	object, ok := m.objects[key]
	if !ok {
		return memoryObject{}, ErrNotExist
	}
	return object, nil
}

func (m *memory) Put(ctx context.Context, key string, data []byte) error {
	if err := before(ctx, key); err != nil {
		return failure(m.String(), "put", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(key, data)
	return nil
}

func (m *memory) PutNew(ctx context.Context, key string, data []byte) error {
	if err := before(ctx, key); err != nil {
		return failure(m.String(), "create", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.objects[key]; taken {
		return failure(m.String(), "create", key, ErrExists)
	}
	m.keep(key, data)
	return nil
}

// keep wants the lock to be held.
func (m *memory) keep(key string, data []byte) {
	m.puts++
	m.objects[key] = memoryObject{bytes.Clone(data), m.puts}
}

func (m *memory) List(ctx context.Context, prefix string) ([]Info, error) {
	if err := beforeList(ctx, prefix); err != nil {
		return nil, failure(m.String(), "list", prefix, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Info
	for key, object := range m.objects {
		if strings.HasPrefix(key, prefix) {
			out = append(out, object.info(key))
		}
	}
	sortByKey(out)
	return out, nil
}

func (m *memory) Delete(ctx context.Context, key string) error {
	if err := before(ctx, key); err != nil {
		return failure(m.String(), "delete", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

// before is what every operation on one key checks first.
func before(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

func beforeList(ctx context.Context, prefix string) error {
	if err := checkPrefix(prefix); err != nil {
		return err
	}
	return ctx.Err()
}

func sortByKey(infos []Info) {
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Key, b.Key) })
}
