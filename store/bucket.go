package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/minio/minio-go/v7"
)

// bucket keeps objects in S3. Every object is a single PUT: servers honour create-if-absent there, while several overwrite
// silently at the end of a multipart upload. Trailing checksums stay off, as some servers store their framing as data;
// integrity comes from the digests in our manifests.
type bucket struct {
	name     string
	endpoint string
	core     *minio.Core
	options  options
}

// openBucket opens "bucket/prefix" at the endpoint and with the keys that the environment names.
func openBucket(ctx context.Context, place string, o options) (Store, error) {
	name, prefix, _ := strings.Cut(place, "/")
	prefix = strings.Trim(prefix, "/")
	if err := checkPrefix(prefix); err != nil {
		return nil, fmt.Errorf("open store s3://%s: %w", place, err)
	}
	b := &bucket{name: name, options: o}
	account, err := accountFromEnvironment()
	if err == nil {
		b.endpoint = account.endpoint
		b.core, err = account.connect()
	}
	if err != nil {
		return nil, failure(b.String(), "open", "", err)
	}
	if err := b.firstContact(ctx, prefix); err != nil {
		return nil, failure(b.String(), "open", "", b.explain(err))
	}
	return WithPrefix(b, prefix), nil
}

// firstContact tries once: what is wrong at the start will not pass. Whoever may only read or write objects, but not list
// them, is let through.
func (b *bucket) firstContact(ctx context.Context, prefix string) error {
	err := within(ctx, callBase, func(ctx context.Context) error {
		for info := range b.core.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix, MaxKeys: 1}) {
			return info.Err
		}
		return ctx.Err()
	})
	if minio.ToErrorResponse(err).Code == minio.AccessDenied {
		return nil
	}
	return err
}

func (b *bucket) String() string { return "s3://" + b.name }

// do makes a call with retries and wraps its error.
func (b *bucket) do(ctx context.Context, c call, once func(context.Context) error) error {
	err := before(ctx, c.key)
	if err == nil {
		err = b.options.ride(ctx, c, once)
	}
	if err != nil {
		return failure(b.String(), c.operation, c.key, b.explain(err))
	}
	return nil
}

func (b *bucket) Put(ctx context.Context, key string, data []byte) error {
	return b.put(ctx, call{"put", key, int64(len(data))}, data, minio.PutObjectOptions{})
}

// PutNew sends If-None-Match: *. A try whose answer was lost may have created the key: the next one then says ErrExists.
func (b *bucket) PutNew(ctx context.Context, key string, data []byte) error {
	var onlyNew minio.PutObjectOptions
	onlyNew.SetMatchETagExcept("*")
	return b.put(ctx, call{"create", key, int64(len(data))}, data, onlyNew)
}

func (b *bucket) put(ctx context.Context, c call, data []byte, opts minio.PutObjectOptions) error {
	return b.do(ctx, c, func(ctx context.Context) error {
		_, err := b.core.PutObject(ctx, b.name, c.key, bytes.NewReader(data), c.bytes, "", "", opts)
		return err
	})
}

func (b *bucket) Stat(ctx context.Context, key string) (Info, error) {
	info := Info{Key: key}
	err := b.do(ctx, call{"stat", key, 0}, func(ctx context.Context) error {
		object, err := b.core.StatObject(ctx, b.name, key, minio.StatObjectOptions{})
		info.Size, info.Version = object.Size, object.ETag
		return err
	})
	return info, err
}

func (b *bucket) Delete(ctx context.Context, key string) error {
	err := b.do(ctx, call{"delete", key, 0}, func(ctx context.Context) error {
		return b.core.RemoveObject(ctx, b.name, key, minio.RemoveObjectOptions{})
	})
	if errors.Is(err, ErrNotExist) {
		return nil
	}
	return err
}

func (b *bucket) List(ctx context.Context, prefix string) ([]Info, error) {
	var out []Info
	err := beforeList(ctx, prefix)
	if err == nil {
		err = b.options.ride(ctx, call{"list", prefix, 0}, func(ctx context.Context) (err error) {
			out, err = b.listOnce(ctx, prefix)
			return err
		})
	}
	if err != nil {
		return nil, failure(b.String(), "list", prefix, b.explain(err))
	}
	sortByKey(out)
	return out, nil
}

func (b *bucket) listOnce(ctx context.Context, prefix string) ([]Info, error) {
	var out []Info
	for object := range b.core.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if object.Err != nil {
			return nil, object.Err
		}
		if !strings.HasSuffix(object.Key, "/") { // a console's mark for an empty folder
			out = append(out, Info{Key: object.Key, Size: object.Size, Version: strings.Trim(object.ETag, `"`)})
		}
	}
	return out, ctx.Err()
}

func (b *bucket) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := checkRange(offset); err != nil {
		return nil, failure(b.String(), "get", key, err)
	}
	r := &pieceReader{ctx: ctx, bucket: b, key: key, at: offset}
	if err := r.open(length); err != nil {
		return nil, err
	}
	return r, nil
}
