package store

import (
	"context"
	"io"
	"strings"
)

// prefixed shows the part of a store below a prefix.
type prefixed struct {
	inner  Store
	prefix string // ends with a slash
}

// WithPrefix returns the part of st whose keys begin with prefix and a slash, under keys without them. Errors name the
// whole key. An empty prefix is the store itself.
func WithPrefix(st Store, prefix string) Store {
	prefix = strings.Trim(prefix, "/")
	if prefix == "" {
		return st
	}
	return &prefixed{inner: st, prefix: prefix + "/"}
}

func (p *prefixed) String() string {
	return strings.TrimSuffix(p.inner.String(), "/") + "/" + strings.TrimSuffix(p.prefix, "/")
}

func (p *prefixed) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := checkKey(key); err != nil {
		return nil, failure(p.String(), "get", key, err)
	}
	return p.inner.Get(ctx, p.prefix+key, offset, length)
}

func (p *prefixed) Put(ctx context.Context, key string, data []byte) error {
	if err := checkKey(key); err != nil {
		return failure(p.String(), "put", key, err)
	}
	return p.inner.Put(ctx, p.prefix+key, data)
}

func (p *prefixed) PutNew(ctx context.Context, key string, data []byte) error {
	if err := checkKey(key); err != nil {
		return failure(p.String(), "create", key, err)
	}
	return p.inner.PutNew(ctx, p.prefix+key, data)
}

func (p *prefixed) List(ctx context.Context, prefix string) ([]Info, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, failure(p.String(), "list", prefix, err)
	}
	infos, err := p.inner.List(ctx, p.prefix+prefix)
	if err != nil {
		return nil, err
	}
	out := make([]Info, len(infos))
	for i, info := range infos {
		out[i] = info
		out[i].Key = strings.TrimPrefix(info.Key, p.prefix)
	}
	return out, nil
}

func (p *prefixed) Stat(ctx context.Context, key string) (Info, error) {
	if err := checkKey(key); err != nil {
		return Info{}, failure(p.String(), "stat", key, err)
	}
	info, err := p.inner.Stat(ctx, p.prefix+key)
	info.Key = key
	return info, err
}

func (p *prefixed) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return failure(p.String(), "delete", key, err)
	}
	return p.inner.Delete(ctx, p.prefix+key)
}
