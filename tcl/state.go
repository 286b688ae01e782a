package tcl

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/textground/textground/kernels"
)

// State is all that training changes: the trainable parameters and AdamW's moments, flat, both phases, in name order.
// The counts of updates follow from the step.
type State struct {
	Params, M1, M2 []float32
}

// State waits and copies the state to the host.
func (m *Model) State() (State, error) {
	var s State
	err := m.CopyState(&s)
	return s, err
}

// CopyState is State into memory that to has from an earlier copy, if any: touching fresh memory takes many times as long as
// the copy, and a save holds up a step that long.
func (m *Model) CopyState(to *State) error {
	for _, part := range []struct {
		to   *[]float32
		from kernels.Tensor
	}{{&to.Params, m.params}, {&to.M1, m.training.m1}, {&to.M2, m.training.m2}} {
		if len(*part.to) != m.layout.len {
			*part.to = make([]float32, m.layout.len)
		}
		if err := m.dev.Download(*part.to, part.from); err != nil {
			return fmt.Errorf("state: %w", err)
		}
	}
	return nil
}

// SetState replaces the state.
func (m *Model) SetState(s State) error {
	if len(s.Params) != m.layout.len || len(s.M1) != m.layout.len || len(s.M2) != m.layout.len {
		return fmt.Errorf("state: %d parameters and %d, %d moments, but the model has %d", len(s.Params), len(s.M1), len(s.M2), m.layout.len)
	}
	m.dev.Upload(m.params, s.Params)
	m.dev.Upload(m.training.m1, s.M1)
	m.dev.Upload(m.training.m2, s.M2)
	return nil
}

// Parameters waits and copies the trainable parameters to the host, by name.
func (m *Model) Parameters() (Weights, error) {
	flat := make([]float32, m.layout.len)
	if err := m.dev.Download(flat, m.params); err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	return Unflatten(flat, m.layout.list), nil
}

// SetParameters replaces the trainable parameters, all of them in name order, and leaves the moments alone.
func (m *Model) SetParameters(flat []float32) error {
	if len(flat) != m.layout.len {
		return fmt.Errorf("parameters: %d values, but the model has %d", len(flat), m.layout.len)
	}
	m.dev.Upload(m.params, flat)
	return nil
}

// Digest waits and returns the cheap digest that is compared every step: SHA-256, in hex, over one 64-bit value for each
// 64 KiB of the flat parameters of both phases.
func (m *Model) Digest() (string, error) {
	m.dev.BlockDigests(m.blocks, m.params)
	return m.readDigest()
}

// readDigest waits for block digests that are enqueued.
func (m *Model) readDigest() (string, error) {
	blocks := make([]uint64, m.blocks.Len())
	if err := m.dev.Download(blocks, m.blocks); err != nil {
		return "", fmt.Errorf("parameter digest: %w", err)
	}
	bytes := make([]byte, 0, 8*len(blocks))
	for _, b := range blocks {
		bytes = binary.LittleEndian.AppendUint64(bytes, b)
	}
	sum := sha256.Sum256(bytes)
	return hex.EncodeToString(sum[:]), nil
}

// ParamsSHA256 waits and returns the digest that people see: SHA-256, in hex, over the flat parameters of both phases as
// little-endian float32.
func (m *Model) ParamsSHA256() (string, error) {
	flat := make([]float32, m.layout.len)
	if err := m.dev.Download(flat, m.params); err != nil {
		return "", fmt.Errorf("parameters: %w", err)
	}
	return ParamsSHA256(flat), nil
}

// ParamsSHA256 is Model.ParamsSHA256 of parameters on the host.
func ParamsSHA256(flat []float32) string {
	hash := sha256.New()
	var buffer []byte
	for len(flat) > 0 {
		n := min(len(flat), kernels.DigestBlock)
		buffer = buffer[:0]
		for _, v := range flat[:n] {
			buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(v))
		}
		hash.Write(buffer)
		flat = flat[n:]
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// Gauges are the scalars worth watching while a run learns.
type Gauges struct {
	Scale, Bias              float64   // w and b of the masks
	LogitScaleV, LogitScaleF float64   // of the image-level and of the feature-level loss
	Gates                    []float64 // tanh of the decoder's gates, in order
}

// Gauges waits and reads them.
func (m *Model) Gauges() (Gauges, error) {
	var err error
	read := func(t kernels.Tensor) float64 {
		var v [1]float32
		if e := m.dev.Download(v[:], t); e != nil {
			err = fmt.Errorf("gauges: %w", e)
		}
		return float64(v[0])
	}
	g := Gauges{Scale: read(m.ground.scale), Bias: read(m.ground.bias), LogitScaleV: read(m.ground.scaleV), LogitScaleF: read(m.ground.scaleF)}
	for _, stage := range m.ground.decoder {
		for _, conv := range stage {
			g.Gates = append(g.Gates, math.Tanh(read(conv.gate)))
		}
	}
	return g, err
}
