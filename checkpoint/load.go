package checkpoint

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"gorgonia.org/tensor"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/store"
)

// ReadManifest reads the manifest of one step. One that is absent, cannot be read, or belongs elsewhere is ErrDamaged.
func ReadManifest(ctx context.Context, st store.Store, l Lineage, step int) (*Manifest, error) {
	data, err := readManifestBytes(ctx, st, l.manifestKey(step))
	if err != nil {
		return nil, missing("the manifest", err)
	}
	m, err := DecodeManifest(data)
	if err != nil {
		return nil, err
	}
	if m.lineage() != l || m.Step != step {
		return nil, damaged("the manifest is that of step %d of %s", m.Step, m.lineage())
	}
	return m, nil
}

// readManifestBytes reads no more than tells that a manifest is too large.
func readManifestBytes(ctx context.Context, st store.Store, key string) ([]byte, error) {
	return readUpTo(ctx, st, key, maxManifestBytes+1)
}

func readUpTo(ctx context.Context, st store.Store, key string, limit int64) ([]byte, error) {
	body, err := st.Get(ctx, key, 0, limit)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", key, st, err)
	}
	return data, nil
}

// Verify checks that a checkpoint's volumes are there with the right sizes and, if deep, reads them and compares every
// digest and value. ErrDamaged and ErrNotFinite are verdicts; other errors are the store's.
func Verify(ctx context.Context, st store.Store, m *Manifest, deep bool) error {
	err := statVolumes(ctx, st, m)
	if err == nil {
		err = m.checkFinite()
	}
	if err == nil && deep {
		err = walk(ctx, st, m, func(Item, *tensor.Dense) {})
	}
	if err != nil {
		return fmt.Errorf("verify step %d of %s: %w", m.Step, m.lineage(), err)
	}
	return nil
}

func statVolumes(ctx context.Context, st store.Store, m *Manifest) error {
	for _, record := range m.Volumes {
		info, err := st.Stat(ctx, m.volumeKey(record))
		if err != nil {
			return missing("volume "+record.Name, err)
		}
		if info.Size != record.Bytes {
			return damaged("volume %s has %d bytes of %d", record.Name, info.Size, record.Bytes)
		}
	}
	return nil
}

func (m *Manifest) volumeKey(record VolumeRecord) string {
	return m.lineage().stepPrefix(m.Step) + record.Name
}

// Load reads a checkpoint and verifies all of it. With ErrNotFinite, and with no other error, the state comes too.
func Load(ctx context.Context, st store.Store, m *Manifest) (*State, error) {
	s := m.emptyState()
	err := walk(ctx, st, m, func(item Item, values *tensor.Dense) {
		s.of(item.Kind)[m.parameterIndex(item.Name)] = values
	})
	if err == nil {
		return s, nil
	}
	if !errors.Is(err, ErrNotFinite) {
		s = nil
	}
	return s, fmt.Errorf("load step %d of %s: %w", m.Step, m.lineage(), err)
}

func (m *Manifest) emptyState() *State {
	n := len(m.Parameters)
	s := &State{Step: m.Step, Params: make([]*tensor.Dense, n), M1: make([]*tensor.Dense, n), M2: make([]*tensor.Dense, n)}
	for _, p := range m.Parameters {
		s.Names = append(s.Names, p.Name)
		s.Updates = append(s.Updates, p.Updates)
	}
	return s
}

// walk reads the volumes in order, holds every byte against the manifest, and hands each tensor on. That values are not
// finite is said last: damage comes first.
func walk(ctx context.Context, st store.Store, m *Manifest, each func(Item, *tensor.Dense)) error {
	params := sha256.New()
	var notFinite error
	for i, volume := range m.Plan() {
		file, err := readVolume(ctx, st, m, m.Volumes[i])
		if err != nil {
			return err
		}
		for _, item := range volume.Items {
			stored, values, err := readItem(file, item)
			if err != nil {
				return damaged("volume %s: %w", m.Volumes[i].Name, err)
			}
			if n := countNonFinite(dense.Floats(values)); n > 0 && notFinite == nil {
				notFinite = fmt.Errorf("%w: %d of tensor %q", ErrNotFinite, n, item.tensorName())
			}
			if item.Kind == Param {
				params.Write(stored.Data)
			}
			each(item, values)
		}
	}
	if got := hex.EncodeToString(params.Sum(nil)); got != m.ParamsSHA256 {
		return damaged("the parameters' SHA-256 is %.12s, the manifest says %.12s", got, m.ParamsSHA256)
	}
	return cmp.Or(notFinite, m.checkFinite())
}

// readVolume reads one volume whole, which has at most some tens of MiB, and compares length and digest.
func readVolume(ctx context.Context, st store.Store, m *Manifest, record VolumeRecord) (*safetensors.File, error) {
	data, err := readUpTo(ctx, st, m.volumeKey(record), record.Bytes+1)
	if err != nil {
		return nil, missing("volume "+record.Name, err)
	}
	if int64(len(data)) != record.Bytes {
		return nil, damaged("volume %s has %d bytes or more, not %d", record.Name, len(data), record.Bytes)
	}
	if got := digestOf(data); got != record.SHA256 {
		return nil, damaged("volume %s has the SHA-256 %.12s, the manifest says %.12s%s", record.Name, got, record.SHA256, culprit(data, record))
	}
	file, err := safetensors.Read(data)
	if err != nil {
		return nil, damaged("volume %s: %w", record.Name, err)
	}
	return file, nil
}

// culprit names the first tensor whose bytes changed.
func culprit(data []byte, record VolumeRecord) string {
	for _, t := range record.Tensors {
		if digestOf(data[t.Offset:t.Offset+t.Bytes]) != t.SHA256 {
			return fmt.Sprintf(" (tensor %q changed)", t.Name)
		}
	}
	return " (its header changed)"
}

// readItem reads an item as it is stored and as a host tensor.
func readItem(file *safetensors.File, item Item) (safetensors.Tensor, *tensor.Dense, error) {
	stored, err := file.Want(item.tensorName(), safetensors.F32, item.Shape)
	if err != nil {
		return safetensors.Tensor{}, nil, err
	}
	values, err := stored.Dense()
	return stored, values, err
}
