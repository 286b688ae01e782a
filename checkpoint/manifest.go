package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Schema names the manifest's format. Its number rises with every change that an older program could misread.
const Schema = schemaFamily + "1"

const (
	schemaFamily     = "textground-checkpoint-"
	schemaVersion    = 1
	maxManifestBytes = 1 << 20
)

// Identity is what a state belongs to. A resume under another identity is refused.
type Identity struct {
	Seed        uint64 `json:"seed,string"`
	Dataset     string `json:"dataset"`      // fingerprint of the index
	Frozen      string `json:"frozen"`       // digest of the frozen weights
	RunFile     string `json:"run_file"`     // digest of the settings that alter numbers
	DeviceClass string `json:"device_class"` // within which bits are comparable
}

// Parameter is one trainable tensor and how many optimiser updates it has had.
type Parameter struct {
	Name    string `json:"name"`
	Shape   []int  `json:"shape"`
	Updates int    `json:"updates"`
}

// Manifest is the object that makes a checkpoint. Whoever seals fills in everything down to Volumes; Seal adds the rest.
type Manifest struct {
	Schema  string `json:"schema"`
	Run     string `json:"run"`
	Lineage int    `json:"lineage"`
	Step    int    `json:"step"`

	// Who sealed and when. These, Parent, and the writers in the volumes' names are no part of the state digest.
	Epoch  int       `json:"epoch"`
	Nonce  string    `json:"nonce"`
	Sealed time.Time `json:"sealed"`
	Parent string    `json:"parent"` // Digest of the manifest that the state was trained on from; "" for none

	Identity     Identity         `json:"identity"`
	ParamsSHA256 string           `json:"params_sha256"`
	Metrics      map[string]Float `json:"metrics"` // of the step; only what is the same on every machine
	Parameters   []Parameter      `json:"parameters"`
	Volumes      []VolumeRecord   `json:"volumes"`

	State  string `json:"state"`  // digest of the state
	Digest string `json:"digest"` // of this manifest's canonical bytes, without this field
}

// NewManifest describes a state that is to be sealed. It lacks the volumes' records, the metrics and the parent. A
// coordinator that has no state fills in a Manifest itself, from what its workers say.
func NewManifest(l Lineage, w Writer, s *State, id Identity) Manifest {
	return Manifest{
		Run: l.Run, Lineage: l.Number, Step: s.Step, Epoch: w.Epoch, Nonce: w.Nonce,
		Identity: id, ParamsSHA256: ParamsSHA256(s.Params), Parameters: s.Parameters(),
	}
}

func (m *Manifest) lineage() Lineage { return Lineage{Run: m.Run, Number: m.Lineage} }

// Plan is the plan of the manifest's volumes.
func (m *Manifest) Plan() []Volume {
	names := make([]string, len(m.Parameters))
	shapes := make([][]int, len(m.Parameters))
	for i, p := range m.Parameters {
		names[i], shapes[i] = p.Name, p.Shape
	}
	return PlanVolumes(names, shapes)
}

// finish brings the manifest into the one form that its content has, and fills in the digests.
func (m *Manifest) finish() error {
	m.Schema = Schema
	m.Sealed = m.Sealed.UTC()
	m.normalise()
	m.State = m.stateDigest()
	m.Digest = m.ownDigest()
	if err := m.check(); err != nil {
		return err
	}
	if size := len(m.encode()); size > maxManifestBytes {
		return fmt.Errorf("the manifest would have %d bytes, more than %d", size, maxManifestBytes)
	}
	return nil
}

// normalise orders the volumes and makes what is empty look empty, never absent. It touches none of the caller's slices.
func (m *Manifest) normalise() {
	if m.Metrics == nil {
		m.Metrics = map[string]Float{}
	}
	m.Parameters = slices.Clone(m.Parameters)
	for i, p := range m.Parameters {
		m.Parameters[i].Shape = append([]int{}, p.Shape...)
	}
	m.Volumes = slices.Clone(m.Volumes)
	sort.Slice(m.Volumes, func(i, j int) bool { return m.Volumes[i].Index < m.Volumes[j].Index })
	for i, v := range m.Volumes {
		m.Volumes[i].Tensors = slices.Clone(v.Tensors)
		for j, t := range m.Volumes[i].Tensors {
			m.Volumes[i].Tensors[j].Shape = append([]int{}, t.Shape...)
		}
	}
}

// stateDigest covers what every honest writer of this lineage and step must agree on.
func (m *Manifest) stateDigest() string {
	common := *m
	common.Epoch, common.Nonce, common.Sealed, common.Parent = 0, "", time.Time{}, ""
	common.State, common.Digest = "", ""
	common.Volumes = slices.Clone(m.Volumes)
	for i := range common.Volumes {
		common.Volumes[i].Name = ""
	}
	return digestOf(common.encode())
}

func (m *Manifest) ownDigest() string {
	bare := *m
	bare.Digest = ""
	return digestOf(bare.encode())
}

// encode gives the canonical bytes: fields in the order of the types, maps in key order, one value a line.
func (m *Manifest) encode() []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(m); err != nil {
		panic(fmt.Sprintf("checkpoint: encode the manifest of step %d: %v", m.Step, err))
	}
	return out.Bytes()
}

// DecodeManifest reads a manifest and believes nothing that it cannot check without the volumes. Errors are ErrDamaged.
func DecodeManifest(data []byte) (*Manifest, error) {
	if len(data) > maxManifestBytes {
		return nil, damaged("the manifest has %d bytes, more than %d", len(data), maxManifestBytes)
	}
	if err := checkSchema(data); err != nil {
		return nil, err
	}
	m := &Manifest{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(m); err != nil {
		return nil, damaged("the manifest is no JSON of format %s: %w", Schema, err)
	}
	// What this program would not have written back, byte by byte, holds something it has not understood: a field twice,
	// bytes after the end, a number in another notation.
	if !bytes.Equal(m.encode(), data) {
		return nil, damaged("the manifest is not in canonical form")
	}
	if got := m.ownDigest(); got != m.Digest {
		return nil, damaged("the manifest's digest is %.12s, it says %.12s", got, m.Digest)
	}
	if got := m.stateDigest(); got != m.State {
		return nil, damaged("the manifest's state digest is %.12s, it says %.12s", got, m.State)
	}
	if err := m.check(); err != nil {
		return nil, damaged("the manifest contradicts itself: %w", err)
	}
	return m, nil
}

// checkSchema names a foreign format before the strict decoder trips over its fields.
func checkSchema(data []byte) error {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return damaged("the manifest is not JSON: %w", err)
	}
	version, err := strconv.Atoi(strings.TrimPrefix(head.Schema, schemaFamily))
	switch {
	case head.Schema == Schema:
		return nil
	case err == nil && version < schemaVersion:
		return damaged("the manifest has the older format %q; this program reads %s", head.Schema, Schema)
	}
	return damaged("the manifest has the unknown format %q; this program reads %s", head.Schema, Schema)
}

// check holds the manifest against the plan of its own parameters.
func (m *Manifest) check() error {
	if err := m.lineage().check(); err != nil {
		return err
	}
	if err := (Writer{Epoch: m.Epoch, Nonce: m.Nonce}).check(); err != nil {
		return err
	}
	if m.Step < 0 || len(m.Parameters) == 0 {
		return fmt.Errorf("step %d with %d parameters", m.Step, len(m.Parameters))
	}
	if err := m.checkParameters(); err != nil {
		return err
	}
	plan := m.Plan()
	if len(m.Volumes) != len(plan) {
		return fmt.Errorf("%d volumes, the plan has %d", len(m.Volumes), len(plan))
	}
	for i, record := range m.Volumes {
		if err := record.check(plan[i]); err != nil {
			return fmt.Errorf("volume %d: %w", i, err)
		}
	}
	return nil
}

func (m *Manifest) checkParameters() error {
	for i, p := range m.Parameters {
		if i > 0 && m.Parameters[i-1].Name >= p.Name {
			return fmt.Errorf("the parameters %q and %q are not in order", m.Parameters[i-1].Name, p.Name)
		}
		if !sizeFits(p.Shape) || p.Updates < 0 {
			return fmt.Errorf("parameter %q has the shape %v and %d updates", p.Name, p.Shape, p.Updates)
		}
	}
	return nil
}

// sizeFits keeps later arithmetic far from overflow: no tensor has more than 2^40 elements.
func sizeFits(shape []int) bool {
	n := 1
	for _, d := range shape {
		if d < 0 || n > 0 && d > 1<<40/n {
			return false
		}
		n *= d
	}
	return true
}

func (r VolumeRecord) check(v Volume) error {
	if _, ok := volumeEpoch(r.Name); !ok {
		return fmt.Errorf("the name %q is not that of a volume", r.Name)
	}
	if r.Index != v.Index || len(r.Tensors) != len(v.Items) {
		return fmt.Errorf("index %d with %d tensors, the plan says %d with %d", r.Index, len(r.Tensors), v.Index, len(v.Items))
	}
	byName := map[string]Item{}
	for _, item := range v.Items {
		byName[item.tensorName()] = item
	}
	for _, t := range r.Tensors {
		item, planned := byName[t.Name]
		if !planned || t.DType != "F32" || !slices.Equal(t.Shape, item.Shape) || t.Bytes != int64(item.bytes()) || t.Offset < 0 || t.Offset > r.Bytes-t.Bytes {
			return fmt.Errorf("tensor %q (%s %v, %d bytes at %d) is not as planned", t.Name, t.DType, t.Shape, t.Bytes, t.Offset)
		}
		delete(byName, t.Name)
	}
	return nil
}

// checkFinite says which tensor or metric is known not to be finite.
func (m *Manifest) checkFinite() error {
	for _, v := range m.Volumes {
		for _, t := range v.Tensors {
			if t.NonFinite != 0 {
				return fmt.Errorf("%w: %d of tensor %q", ErrNotFinite, t.NonFinite, t.Name)
			}
		}
	}
	names := make([]string, 0, len(m.Metrics))
	for name := range m.Metrics {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if !m.Metrics[name].finite() {
			return fmt.Errorf("%w: the metric %q is %v", ErrNotFinite, name, float64(m.Metrics[name]))
		}
	}
	return nil
}

// parameterIndex finds a parameter that the plan has named.
func (m *Manifest) parameterIndex(name string) int {
	i, found := slices.BinarySearchFunc(m.Parameters, name, func(p Parameter, name string) int { return strings.Compare(p.Name, name) })
	if !found {
		panic(fmt.Sprintf("checkpoint: the manifest of step %d has no parameter %q", m.Step, name))
	}
	return i
}
