package sim

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/textground/textground/proto"
)

// store keeps what survives everything: volumes, manifests, the record of committed digests, the highest epoch.
type store struct {
	volumes   map[volumeKey][]float32
	manifests map[int]manifest // by step
	digests   map[int]string   // committed, by step
	epoch     uint64
}

var errFenced = errors.New("a coordinator with a higher epoch has been here")

type volumeKey struct {
	step   int
	nonce  string
	volume int
}

type manifest struct {
	nonce string
	keys  []volumeKey
}

func newStore() *store {
	return &store{volumes: map[volumeKey][]float32{}, manifests: map[int]manifest{}, digests: map[int]string{}}
}

// volumeOf cuts volume v of count out of the parameters.
func volumeOf(params []float32, v, count int) []float32 {
	return slices.Clone(params[v*paramCount/count : (v+1)*paramCount/count])
}

// seal writes a manifest unless a newer coordinator exists or a volume is missing. Creating it again with equal contents is
// success; other contents are an error, since one step has one state.
func (s *store) seal(epoch uint64, step int, nonce string, volumes int) error {
	if epoch < s.epoch {
		return errFenced
	}
	m := manifest{nonce: nonce}
	for v := range volumes {
		m.keys = append(m.keys, volumeKey{step, nonce, v})
	}
	params, err := s.read(m)
	if err != nil {
		return err
	}
	if old, exists := s.manifests[step]; exists {
		if before, err := s.read(old); err != nil || digestOf(before) != digestOf(params) {
			return fmt.Errorf("step %d is sealed with another state", step)
		}
		return nil
	}
	s.manifests[step] = m
	return nil
}

func (s *store) read(m manifest) ([]float32, error) {
	var params []float32
	for _, key := range m.keys {
		volume, exists := s.volumes[key]
		if !exists {
			return nil, fmt.Errorf("volume %d of step %d, save %s, is missing", key.volume, key.step, key.nonce)
		}
		params = append(params, volume...)
	}
	return params, nil
}

// base is the newest sealed state.
func (s *store) base() proto.Base {
	base := proto.Base{Step: proto.Initial}
	for _, step := range slices.Sorted(maps.Keys(s.manifests)) {
		base = proto.Base{Step: step, Manifest: fmt.Sprint(step)}
	}
	return base
}
