package safetensors

import (
	"math"
	"sort"
	"unicode/utf8"
)

// Limits beyond the format's own. They bound what a hostile header can cost.
const (
	MaxHeaderBytes = 8 << 20
	MaxTensors     = 65536
	MaxNameBytes   = 512
	MaxRank        = 8
)

const (
	lengthBytes  = 8
	metadataName = "__metadata__"
)

// header is what the JSON says, checked against the size of the buffer. Tensors stand in buffer order.
type header struct {
	metadata map[string]string
	tensors  []Tensor
}

// parseHeader reads the header's text and checks every rule that does not need the values. bufferBytes is the size of
// what follows the header in the file.
func parseHeader(text []byte, bufferBytes int64) (header, error) {
	if len(text) == 0 || text[0] != '{' {
		return header{}, broken(RuleHeaderStart, lengthBytes, "the header does not begin with {")
	}
	if !utf8.Valid(text) {
		return header{}, broken(RuleHeaderText, lengthBytes, "the header is not valid UTF-8")
	}
	s := scanner{text: text}
	h, err := s.header()
	if err != nil {
		return header{}, err
	}
	sortByOffset(h.tensors)
	if err := checkCoverage(h.tensors, lengthBytes+int64(len(text)), bufferBytes); err != nil {
		return header{}, err
	}
	return h, nil
}

// sortByOffset puts empty tensors before the one that starts at the same byte, and equals into name order.
func sortByOffset(tensors []Tensor) {
	sort.Slice(tensors, func(i, j int) bool {
		a, b := tensors[i], tensors[j]
		if a.Begin != b.Begin {
			return a.Begin < b.Begin
		}
		if a.End != b.End {
			return a.End < b.End
		}
		return a.Name < b.Name
	})
}

// checkCoverage walks tensors in buffer order; start is the buffer's place in the file.
func checkCoverage(tensors []Tensor, start, bufferBytes int64) error {
	var at int64
	for _, t := range tensors {
		switch {
		case t.End > bufferBytes:
			return broken(RuleOffsets, start+t.Begin, "tensor %q ends at %d of a buffer of %d bytes", t.Name, t.End, bufferBytes)
		case t.Begin > at:
			return broken(RuleHole, start+at, "%d bytes before tensor %q belong to none", t.Begin-at, t.Name)
		case t.Begin < at:
			return broken(RuleOverlap, start+t.Begin, "tensor %q begins %d bytes inside the one before", t.Name, at-t.Begin)
		}
		at = t.End
	}
	if at < bufferBytes {
		return broken(RuleTrailing, start+at, "%d bytes follow the last tensor", bufferBytes-at)
	}
	return nil
}

// byteSize multiplies a shape by its element size and reports false when that does not fit an int64.
func byteSize(shape []int, dtype DType) (int64, bool) {
	size := int64(dtype.Size())
	for _, d := range shape {
		if d != 0 && size > math.MaxInt64/int64(d) {
			return 0, false
		}
		size *= int64(d)
	}
	return size, true
}
