package torch

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strconv"
)

// Named is a tensor to be written: row-major values under a name.
type Named struct {
	Name   string
	Shape  []int
	Values []float32
}

// root is the directory of the members. Readers take any.
const root = "textground/"

// alignment is where storages begin, so that they can be mapped into memory.
const alignment = 64

// Write writes tensors, in their order, as torch.load(weights_only=True) reads them: a dictionary from name to tensor. Where
// under is not empty, the file is a dictionary with that one key, and the tensors are behind it. Equal contents give equal bytes.
func Write(w io.Writer, under string, tensors []Named) error {
	seen := map[string]bool{}
	for _, t := range tensors {
		if n := elements(t.Shape); n != len(t.Values) || seen[t.Name] || len(t.Shape) > maxRank {
			return fmt.Errorf("write torch archive: tensor %q of shape %v with %d values, a second one of that name: %t", t.Name, t.Shape, len(t.Values), seen[t.Name])
		}
		seen[t.Name] = true
	}
	out := &counter{w: w}
	z := zip.NewWriter(out)
	if err := member(z, out, "data.pkl", pickleOf(under, tensors)); err != nil {
		return err
	}
	if err := member(z, out, "byteorder", []byte("little")); err != nil {
		return err
	}
	for i, t := range tensors {
		data, _ := binary.Append(make([]byte, 0, 4*len(t.Values)), binary.LittleEndian, t.Values) // float32s always encode
		if err := member(z, out, "data/"+strconv.Itoa(i), data); err != nil {
			return err
		}
	}
	if err := member(z, out, "version", []byte("3\n")); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write torch archive: %w", err)
	}
	return nil
}

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// counter knows where in the file the next byte lands.
type counter struct {
	w  io.Writer
	at int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.at += int64(n)
	return n, err
}

// member writes one stored member whose data begins at a multiple of alignment. Sizes and checksum stand in its header, as
// PyTorch's reader wants them.
func member(z *zip.Writer, out *counter, name string, data []byte) error {
	if err := z.Flush(); err != nil {
		return fmt.Errorf("write torch archive: %w", err)
	}
	h := &zip.FileHeader{Name: root + name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(data),
		CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(data))}
	h.Extra = padding(out.at + localHeaderBytes + int64(len(h.Name)))
	body, err := z.CreateRaw(h)
	if err == nil {
		_, err = body.Write(data)
	}
	if err != nil {
		return fmt.Errorf("write torch archive: member %s: %w", name, err)
	}
	return nil
}

const localHeaderBytes = 30

// padding is an extra field "FB", as PyTorch's writer has it, that fills up to the next multiple from at.
func padding(at int64) []byte {
	const fieldHeader = 4
	n := (alignment - (at+fieldHeader)%alignment) % alignment
	field := binary.LittleEndian.AppendUint16([]byte("FB"), uint16(n))
	return append(field, make([]byte, n)...)
}

// pickleOf is the program of the file, protocol 2, without a memo: weights_only knows all of its opcodes.
func pickleOf(under string, tensors []Named) []byte {
	p := []byte{0x80, 2}
	if under != "" {
		p = append(appendText(append(p, '}'), under), '}')
	} else {
		p = append(p, '}')
	}
	for i, t := range tensors {
		p = append(appendTensor(appendText(p, t.Name), strconv.Itoa(i), t), 's')
	}
	if under != "" {
		p = append(p, 's')
	}
	return append(p, '.')
}

// appendTensor calls _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict()).
func appendTensor(p []byte, key string, t Named) []byte {
	p = append(p, "ctorch._utils\n_rebuild_tensor_v2\n(("...)
	p = append(appendText(p, "storage"), "ctorch\nFloatStorage\n"...)
	p = appendText(appendText(p, key), "cpu")
	p = append(appendInt(p, len(t.Values)), "tQK\x00"...)
	p = appendInts(p, t.Shape)
	p = appendInts(p, rowMajor(t.Shape))
	return append(p, "\x89ccollections\nOrderedDict\n)RtR"...)
}

// rowMajor returns the strides of a tensor without gaps.
func rowMajor(shape []int) []int {
	strides := slices.Clone(shape)
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = step
		step *= max(shape[i], 1)
	}
	return strides
}

func appendText(p []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(append(p, 'X'), uint32(len(text))), text...)
}

func appendInts(p []byte, list []int) []byte {
	p = append(p, '(')
	for _, n := range list {
		p = appendInt(p, n)
	}
	return append(p, 't')
}

func appendInt(p []byte, n int) []byte {
	if n > math.MaxInt32 {
		return binary.LittleEndian.AppendUint64(append(p, 0x8a, 8), uint64(n))
	}
	return binary.LittleEndian.AppendUint32(append(p, 'J'), uint32(n))
}
