package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Tensor is one entry of a file. [Begin, End) is its place in the buffer that follows the header; Data, where it is not
// nil, holds those bytes and aliases what Read was given.
type Tensor struct {
	Name       string
	DType      DType
	Shape      []int
	Begin, End int64
	Data       []byte
}

// Elements is the product of the shape: 1 for a scalar, 0 if a dimension is.
func (t Tensor) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// File is a parsed file. Tensors stand in the order of the buffer. Files may be read by several goroutines at once.
type File struct {
	Metadata map[string]string // nil when the file has none
	Tensors  []Tensor

	byName map[string]int
	source io.ReaderAt // nil when the tensors carry their data
	start  int64       // where the buffer begins in the file
}

// Read parses a whole file held in memory. The tensors alias data. Errors are of type *Error.
func Read(data []byte) (*File, error) {
	headerBytes, err := headerLength(data, int64(len(data)))
	if err != nil {
		return nil, err
	}
	end := lengthBytes + headerBytes
	f, err := newFile(data[lengthBytes:end], int64(len(data))-end)
	if err != nil {
		return nil, err
	}
	f.start = end
	buffer := data[end:]
	for i, t := range f.Tensors {
		f.Tensors[i].Data = buffer[t.Begin:t.End:t.End]
	}
	return f, nil
}

// Open parses the header of a file of size bytes and leaves the tensors where they are: Float32s and its siblings read
// what they need from r. Errors are of type *Error, or those of r.
func Open(r io.ReaderAt, size int64) (*File, error) {
	prefix := make([]byte, min(size, lengthBytes))
	if err := readFullAt(r, prefix, 0); err != nil {
		return nil, fmt.Errorf("safetensors: read the header length: %w", err)
	}
	headerBytes, err := headerLength(prefix, size)
	if err != nil {
		return nil, err
	}
	text := make([]byte, headerBytes)
	if err := readFullAt(r, text, lengthBytes); err != nil {
		return nil, fmt.Errorf("safetensors: read the header of %d bytes: %w", headerBytes, err)
	}
	f, err := newFile(text, size-lengthBytes-headerBytes)
	if err != nil {
		return nil, err
	}
	f.source, f.start = r, lengthBytes+headerBytes
	return f, nil
}

// headerLength reads the first eight bytes of a file of size bytes.
func headerLength(prefix []byte, size int64) (int64, error) {
	if size < lengthBytes {
		return 0, broken(RuleHeaderLength, 0, "a file of %d bytes has no header length", size)
	}
	n := binary.LittleEndian.Uint64(prefix)
	if n > MaxHeaderBytes {
		return 0, broken(RuleHeaderLength, 0, "a header of %d bytes", n)
	}
	if int64(n) > size-lengthBytes {
		return 0, broken(RuleHeaderLength, 0, "a header of %d bytes in a file of %d", n, size)
	}
	return int64(n), nil
}

func newFile(text []byte, bufferBytes int64) (*File, error) {
	h, err := parseHeader(text, bufferBytes)
	if err != nil {
		return nil, err
	}
	f := &File{Metadata: h.metadata, Tensors: h.tensors, byName: make(map[string]int, len(h.tensors))}
	for i, t := range f.Tensors {
		f.byName[t.Name] = i
	}
	return f, nil
}

// Has tells whether the file holds a tensor of that name.
func (f *File) Has(name string) bool {
	_, ok := f.byName[name]
	return ok
}

// Tensor finds a tensor by name and, in a file that Open parsed, reads its data.
func (f *File) Tensor(name string) (Tensor, error) {
	i, ok := f.byName[name]
	if !ok {
		return Tensor{}, fmt.Errorf("safetensors: there is no tensor %q", name)
	}
	t := f.Tensors[i]
	if f.source == nil {
		return t, nil
	}
	t.Data = make([]byte, t.End-t.Begin)
	if err := readFullAt(f.source, t.Data, f.start+t.Begin); err != nil {
		return Tensor{}, fmt.Errorf("safetensors: read tensor %q: %w", name, err)
	}
	return t, nil
}

// Want is Tensor for callers that know what they expect: another dtype or another shape is an error, also when the
// number of bytes would be the same.
func (f *File) Want(name string, dtype DType, shape []int) (Tensor, error) {
	i, ok := f.byName[name]
	if ok && (f.Tensors[i].DType != dtype || !slices.Equal(f.Tensors[i].Shape, shape)) {
		t := f.Tensors[i]
		return Tensor{}, fmt.Errorf("safetensors: tensor %q is %s %v, wanted %s %v", name, t.DType, t.Shape, dtype, shape)
	}
	return f.Tensor(name)
}

// readFullAt fills p; an io.EOF that comes with the last byte is no error.
func readFullAt(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
