package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"github.com/textground/textground/internal/dense"
)

// State is what training needs to go on after Step committed steps: all trainable parameters of both phases with their
// AdamW moments, float32. The slices run in parallel, in name order.
type State struct {
	Step    int
	Names   []string
	Params  []*tensor.Dense
	M1, M2  []*tensor.Dense // first and second moments, each of its parameter's shape
	Updates []int           // how many optimiser updates each parameter has had
}

// Check refuses a state whose slices do not run in parallel, or whose names are not in order.
func (s *State) Check() error {
	n := len(s.Names)
	if len(s.Params) != n || len(s.M1) != n || len(s.M2) != n || len(s.Updates) != n {
		return fmt.Errorf("state of step %d: %d names, %d parameters, %d and %d moments, %d update counts", s.Step, n, len(s.Params), len(s.M1), len(s.M2), len(s.Updates))
	}
	for i, name := range s.Names {
		if i > 0 && s.Names[i-1] >= name {
			return fmt.Errorf("state of step %d: the names %q and %q are not in order", s.Step, s.Names[i-1], name)
		}
		shape := dense.Shape(s.Params[i])
		for _, kind := range kinds {
			if _, err := dense.Values[float32](s.of(kind)[i], shape...); err != nil {
				return fmt.Errorf("state of step %d: %s of parameter %q of shape %v: %w", s.Step, kind, name, shape, err)
			}
		}
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

// Parameters describes the state without its values.
func (s *State) Parameters() []Parameter {
	parameters := make([]Parameter, len(s.Names))
	for i, name := range s.Names {
		parameters[i] = Parameter{Name: name, Shape: dense.Shape(s.Params[i]), Updates: s.Updates[i]}
	}
	return parameters
}

// Values is the source that WriteVolume asks for a state's items.
func (s *State) Values(item Item) *tensor.Dense {
	i, found := slices.BinarySearch(s.Names, item.Name)
	if !found {
		panic(fmt.Sprintf("checkpoint: the state of step %d has no parameter %q", s.Step, item.Name))
	}
	return s.of(item.Kind)[i]
}

// Flat returns the values of all tensors of a kind, copied, one tensor behind the other in name order.
func (s *State) Flat(kind Kind) []float32 {
	n := 0
	for _, t := range s.of(kind) {
		n += t.Len()
	}
	flat := make([]float32, 0, n)
	for _, t := range s.of(kind) {
		flat = append(flat, dense.Floats(t)...)
	}
	return flat
}

func (s *State) of(kind Kind) []*tensor.Dense {
	switch kind {
	case Param:
		return s.Params
	case FirstMoment:
		return s.M1
	case SecondMoment:
		return s.M2
	}
	panic(fmt.Sprintf("checkpoint: there is no kind %q", kind))
}

// ParamsSHA256 is the digest people compare: SHA-256 over all trainable parameters in name order as float32 little-endian,
// in lower-case hexadecimal. Names and shapes are not part of it.
func ParamsSHA256(params []*tensor.Dense) string {
	hash := sha256.New()
	var block []byte
	for _, t := range params {
		for chunk := range slices.Chunk(dense.Floats(t), 16<<10) {
			block = appendFloats(block[:0], chunk)
			hash.Write(block)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

func appendFloats(block []byte, values []float32) []byte {
	block, err := binary.Append(block, binary.LittleEndian, values)
	if err != nil {
		panic(fmt.Sprintf("checkpoint: encode %d values: %v", len(values), err))
	}
	return block
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
