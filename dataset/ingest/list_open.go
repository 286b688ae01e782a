package ingest

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// zstdMemory bounds the window that a compressed list may ask for.
const zstdMemory = 128 << 20

// open returns the file's bytes, unpacked.
func (f listFile) open(ctx context.Context, k kind) (io.ReadCloser, error) {
	r, err := f.store.Get(ctx, f.key, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("reading the list %s: %w", f.Name, err)
	}
	unpacked, err := unpack(r, k.compression)
	if err != nil {
		r.Close()
		return nil, &ListError{File: f.Name, Rule: "it is not compressed as its name says", Mend: "rename it or pack it again", Err: err}
	}
	return &layered{unpacked, unpacked.Close, r.Close}, nil
}

func unpack(r io.Reader, compression string) (io.ReadCloser, error) {
	switch compression {
	case ".gz":
		return gzip.NewReader(r)
	case ".zst":
		d, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(zstdMemory), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}

// layered closes what lies below as well.
type layered struct {
	io.Reader
	closeTop, closeBottom func() error
}

func (l *layered) Close() error {
	err := l.closeTop()
	if below := l.closeBottom(); err == nil {
		err = below
	}
	return err
}

// ranged reads ranges of an object.
type ranged struct {
	ctx  context.Context // of the reading of one list
	file listFile
}

func (r ranged) ReadAt(p []byte, offset int64) (int, error) {
	if offset >= r.file.Size {
		return 0, io.EOF
	}
	body, err := r.file.store.Get(r.ctx, r.file.key, offset, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer body.Close()
	n, err := io.ReadFull(body, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// spool unpacks a file that must be read at random places into a temporary one. release removes it.
func (f listFile) spool(ctx context.Context, k kind) (file *os.File, size int64, release func(), err error) {
	r, err := f.open(ctx, k)
	if err != nil {
		return nil, 0, nil, err
	}
	defer r.Close()
	file, err = os.CreateTemp("", "textground-list-*.parquet")
	if err != nil {
		return nil, 0, nil, fmt.Errorf("unpacking the list %s: %w", f.Name, err)
	}
	release = func() {
		file.Close()
		os.Remove(file.Name())
	}
	if size, err = io.Copy(file, r); err != nil {
		release()
		return nil, 0, nil, fmt.Errorf("unpacking the list %s: %w", f.Name, err)
	}
	return file, size, release, nil
}
