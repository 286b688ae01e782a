package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"gorgonia.org/tensor"

	"github.com/textground/textground/internal/dense"
)

// Of makes a file's tensor of a host tensor of float32, float64, int64, int32 or uint8, whose values are copied.
func Of(name string, values *tensor.Dense) Tensor {
	switch values.Dtype() {
	case tensor.Float32:
		return encode[float32](name, F32, values)
	case tensor.Float64:
		return encode[float64](name, F64, values)
	case tensor.Int64:
		return encode[int64](name, I64, values)
	case tensor.Int32:
		return encode[int32](name, I32, values)
	case tensor.Uint8:
		return encode[uint8](name, U8, values)
	}
	panic(fmt.Sprintf("safetensors: tensor %q has values of type %v", name, values.Dtype()))
}

func encode[T dense.Element](name string, dtype DType, values *tensor.Dense) Tensor {
	shape := dense.Shape(values)
	data := make([]byte, 0, values.Len()*dtype.Size())
	data, err := binary.Append(data, binary.LittleEndian, dense.Must[T](values, shape...))
	if err != nil {
		panic(fmt.Sprintf("safetensors: encode tensor %q of shape %v: %v", name, shape, err))
	}
	return Tensor{Name: name, DType: dtype, Shape: shape, Data: data}
}

// Write writes a file: widest elements first, then by name, the header padded to eight bytes, as the reference writer
// does. The tensors' Begin and End are ignored, their order too. What Read would refuse is refused here, before a byte
// is written.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	ordered := slices.Clone(tensors)
	slices.SortFunc(ordered, func(a, b Tensor) int {
		if a.DType.Size() != b.DType.Size() {
			return b.DType.Size() - a.DType.Size()
		}
		return strings.Compare(a.Name, b.Name)
	})
	text, err := encodeHeader(ordered, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text)))); err != nil {
		return fmt.Errorf("safetensors: write the header length: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("safetensors: write the header: %w", err)
	}
	for _, t := range ordered {
		if _, err := w.Write(t.Data); err != nil {
			return fmt.Errorf("safetensors: write tensor %q: %w", t.Name, err)
		}
	}
	return nil
}

// Encode is Write into memory.
func Encode(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	size := 0
	for _, t := range tensors {
		size += len(t.Data) + len(t.Name) + 100
	}
	out := bytes.NewBuffer(make([]byte, 0, size))
	if err := Write(out, tensors, metadata); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// encodeHeader writes the JSON in a fixed order and holds it against the reader's own rules.
func encodeHeader(ordered []Tensor, metadata map[string]string) ([]byte, error) {
	if len(ordered) > MaxTensors {
		return nil, broken(RuleCount, lengthBytes, "%d tensors", len(ordered))
	}
	var text bytes.Buffer
	text.WriteByte('{')
	comma := ""
	if metadata != nil {
		if err := checkText(metadata); err != nil {
			return nil, err
		}
		fmt.Fprintf(&text, "%s:%s", marshal(metadataName), marshal(metadata))
		comma = ","
	}
	var at int64
	for _, t := range ordered {
		if t.Name == metadataName || !utf8.ValidString(t.Name) {
			return nil, broken(RuleName, lengthBytes, "the name %q cannot be written", t.Name)
		}
		end := at + int64(len(t.Data))
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		fmt.Fprintf(&text, `%s%s:{"dtype":%s,"shape":%s,"data_offsets":[%d,%d]}`, comma, marshal(t.Name), marshal(string(t.DType)), marshal(shape), at, end)
		comma, at = ",", end
	}
	text.WriteByte('}')
	for text.Len()%8 != 0 {
		text.WriteByte(' ')
	}
	if text.Len() > MaxHeaderBytes {
		return nil, broken(RuleHeaderLength, 0, "a header of %d bytes", text.Len())
	}
	_, err := parseHeader(text.Bytes(), at)
	return text.Bytes(), err
}

// checkText refuses what JSON would silently replace.
func checkText(metadata map[string]string) error {
	for key, value := range metadata {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return broken(RuleHeaderText, lengthBytes, "the metadata %q is not valid UTF-8", key)
		}
	}
	return nil
}

// marshal encodes strings, shapes and string maps (in key order), for which encoding/json has no error.
func marshal(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("safetensors: encode %T: %v", v, err))
	}
	return out
}
