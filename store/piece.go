package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"
)

// pieceBytes is what one GET asks for. A connection that breaks costs a piece, not a shard.
const pieceBytes = 8 << 20

// pieceReader reads a range of one version of an object, a retried GET a piece. It belongs to one goroutine.
type pieceReader struct {
	ctx     context.Context
	bucket  *bucket
	key     string
	etag    string // of the first piece; the object may not change under the reader
	at, end int64  // what is still to be fetched
	piece   []byte // what is fetched and not yet read
}

// open fetches the first piece, which tells the object's size, and settles the range.
func (r *pieceReader) open(length int64) error {
	size, err := r.fetch(pieceLength(length))
	if err != nil {
		return err
	}
	begin, end, err := rangeOf(size, r.at, length)
	if err != nil {
		return failure(r.bucket.String(), "get", r.key, err)
	}
	r.piece = r.piece[:min(int64(len(r.piece)), end-begin)]
	r.at, r.end = begin+int64(len(r.piece)), end
	return nil
}

// pieceLength is how much of length to ask for at once: at least a byte, as HTTP has no empty range.
func pieceLength(length int64) int64 {
	if length < 0 || length > pieceBytes {
		return pieceBytes
	}
	return max(length, 1)
}

func (r *pieceReader) Read(p []byte) (int, error) {
	if len(r.piece) == 0 && r.at < r.end {
		if _, err := r.fetch(pieceLength(r.end - r.at)); err != nil {
			return 0, err
		}
		r.at += int64(len(r.piece))
	}
	if len(r.piece) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.piece)
	r.piece = r.piece[n:]
	return n, nil
}

func (r *pieceReader) Close() error { return nil }

// fetch gets up to n bytes at r.at and returns the object's size.
func (r *pieceReader) fetch(n int64) (size int64, err error) {
	err = r.bucket.do(r.ctx, call{"get", r.key, n}, func(ctx context.Context) error {
		size, err = r.fetchOnce(ctx, n)
		return err
	})
	return size, err
}

func (r *pieceReader) fetchOnce(ctx context.Context, n int64) (int64, error) {
	var opts minio.GetObjectOptions
	if err := opts.SetRange(r.at, r.at+n-1); err != nil {
		return 0, err
	}
	if r.etag != "" {
		if err := opts.SetMatchETag(r.etag); err != nil {
			return 0, err
		}
	}
	body, info, header, err := r.bucket.core.GetObject(ctx, r.bucket.name, r.key, opts)
	switch minio.ToErrorResponse(err).StatusCode {
	case http.StatusRequestedRangeNotSatisfiable:
		return r.pastTheEnd(ctx)
	case http.StatusPreconditionFailed:
		return 0, errors.New("the object was replaced while it was read")
	}
	if err != nil {
		return 0, err
	}
	defer body.Close()
	size, err := totalSize(header)
	if err != nil {
		return 0, err
	}
	if info.Size < 0 || info.Size > n {
		return 0, fmt.Errorf("the server answered a range of %d bytes with %d", n, info.Size)
	}
	r.piece, r.etag = make([]byte, info.Size), info.ETag
	_, err = io.ReadFull(body, r.piece)
	return size, err
}

// pastTheEnd is for ranges that begin at the end or after it: only the size is needed to judge them.
func (r *pieceReader) pastTheEnd(ctx context.Context) (int64, error) {
	info, err := r.bucket.core.StatObject(ctx, r.bucket.name, r.key, minio.StatObjectOptions{})
	r.piece = nil
	return info.Size, err
}

// totalSize reads "Content-Range: bytes 0-99/1234".
func totalSize(header http.Header) (int64, error) {
	text := header.Get("Content-Range")
	_, total, _ := strings.Cut(text, "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the server answered with the range %q", text)
	}
	return size, nil
}
