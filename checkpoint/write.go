package checkpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/store"
)

// VolumeRecord is what a manifest knows about a volume.
type VolumeRecord struct {
	Index   int            `json:"index"`
	Name    string         `json:"name"` // key below the step: <epoch>-<nonce>/volume-00000.safetensors
	Bytes   int64          `json:"bytes"`
	SHA256  string         `json:"sha256"`
	Tensors []TensorRecord `json:"tensors"`
}

// TensorRecord is what a manifest knows about a tensor. Offset and Bytes are its place in the object, for a ranged read.
type TensorRecord struct {
	Name      string `json:"name"`
	DType     string `json:"dtype"`
	Shape     []int  `json:"shape"`
	Offset    int64  `json:"offset"`
	Bytes     int64  `json:"bytes"`
	SHA256    string `json:"sha256"`
	NonFinite int    `json:"non_finite"` // how many values are NaN or infinite
}

// WriteVolume writes one volume of the checkpoint of step under the writer's own prefix and returns its record. values
// gives an item's values, which must have the item's shape; they are only read, and not kept. A volume that is there already, from an attempt
// cut short, is read back and not written again; one of other content is an error, never overwritten. Workers may write
// different volumes of one checkpoint at the same time.
func WriteVolume(ctx context.Context, st store.Store, l Lineage, step int, w Writer, v Volume, values func(Item) *tensor.Dense) (VolumeRecord, error) {
	if err := cmp.Or(l.check(), w.check()); err != nil {
		return VolumeRecord{}, fmt.Errorf("write volume %d of step %d: %w", v.Index, step, err)
	}
	data, record, err := encodeVolume(v, values)
	if err != nil {
		return VolumeRecord{}, fmt.Errorf("write volume %d of step %d: %w", v.Index, step, err)
	}
	record.Name = w.volumeName(v.Index)
	if err := putOnce(ctx, st, l.stepPrefix(step)+record.Name, data); err != nil {
		return VolumeRecord{}, fmt.Errorf("write volume %d of step %d: %w", v.Index, step, err)
	}
	return record, nil
}

// encodeVolume makes the bytes, and the record all but its name.
func encodeVolume(v Volume, values func(Item) *tensor.Dense) ([]byte, VolumeRecord, error) {
	tensors := make([]safetensors.Tensor, len(v.Items))
	nonFinite := map[string]int{}
	for i, item := range v.Items {
		given := values(item)
		data, err := dense.Values[float32](given, item.Shape...)
		if err != nil {
			return nil, VolumeRecord{}, fmt.Errorf("tensor %q: %w", item.tensorName(), err)
		}
		tensors[i] = safetensors.Of(item.tensorName(), given)
		nonFinite[item.tensorName()] = countNonFinite(data)
	}
	data, err := safetensors.Encode(tensors, nil)
	if err != nil {
		return nil, VolumeRecord{}, err
	}
	file, err := safetensors.Read(data)
	if err != nil {
		return nil, VolumeRecord{}, err
	}
	record := VolumeRecord{Index: v.Index, Bytes: int64(len(data)), SHA256: digestOf(data)}
	header := int64(len(data)) - file.Tensors[len(file.Tensors)-1].End
	for _, t := range file.Tensors {
		record.Tensors = append(record.Tensors, TensorRecord{
			Name: t.Name, DType: string(t.DType), Shape: t.Shape,
			Offset: header + t.Begin, Bytes: t.End - t.Begin,
			SHA256: digestOf(t.Data), NonFinite: nonFinite[t.Name],
		})
	}
	return data, record, nil
}

func countNonFinite(values []float32) int {
	n := 0
	const exponent = 0xff << 23 // all set in NaN and infinities, and in nothing else
	for _, x := range values {
		if math.Float32bits(x)&exponent == exponent {
			n++
		}
	}
	return n
}

// putOnce creates key with data, or finds it there with the same data: ours, from an attempt whose end we did not see.
func putOnce(ctx context.Context, st store.Store, key string, data []byte) error {
	_, err := st.Stat(ctx, key)
	if errors.Is(err, store.ErrNotExist) {
		err = st.PutNew(ctx, key, data)
		if !errors.Is(err, store.ErrExists) {
			return err
		}
	} else if err != nil {
		return err
	}
	there, err := store.ReadAll(ctx, st, key)
	if err != nil {
		return err
	}
	if digestOf(there) != digestOf(data) {
		return fmt.Errorf("%s exists with other content (%d bytes, ours %d): another writer has used this nonce", key, len(there), len(data))
	}
	return nil
}
