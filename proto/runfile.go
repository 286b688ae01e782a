package proto

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// RunFile is everything that a run is: the same file starts it on a laptop or on a hundred cards. Keys marked numbers in
// their tag change the parameters that come out; the others only say where and how the run is carried out.
type RunFile struct {
	Name       string     `yaml:"name" numbers:"no" jsonschema:"description=what the run is called; ids begin with it"`
	Seed       uint64     `yaml:"seed" jsonschema:"description=seed of all randomness"`
	Steps      int        `yaml:"steps" jsonschema:"description=number of updates"`
	Phase2From int        `yaml:"phase2_from" jsonschema:"description=first step that also trains the masker block; equal to steps for none"`
	Batch      int        `yaml:"batch" jsonschema:"description=pairs in the global batch (N)"`
	MicroBatch int        `yaml:"micro_batch" jsonschema:"description=pairs in a lane (B); divides batch"`
	Model      Model      `yaml:"model"`
	Data       Data       `yaml:"data"`
	Loss       Loss       `yaml:"loss"`
	Masks      MaskInit   `yaml:"masks"`
	Optimiser  Optimiser  `yaml:"optimiser"`
	Checkpoint Checkpoint `yaml:"checkpoint" numbers:"no"`
	Evaluation Evaluation `yaml:"evaluation" numbers:"no"`
	Store      string     `yaml:"store" numbers:"no" jsonschema:"description=where shards and checkpoints lie: file://DIR or s3://BUCKET/PREFIX"`
	NATS       string     `yaml:"nats" numbers:"no" jsonschema:"description=external server; empty for the embedded one"`
	Device     string     `yaml:"device" numbers:"no" jsonschema:"pattern=^(auto|cpu|ref|cuda(-float32)?(:[0-9]+)?)$"`
	Workers    int        `yaml:"workers" numbers:"no" jsonschema:"description=worker processes that train starts on this machine"`
	Threads    int        `yaml:"threads" numbers:"no" jsonschema:"description=threads of each worker; 0 shares the cores out"`
}

// Model names the frozen CLIP and its vocabulary.
type Model struct {
	CLIP       string `yaml:"clip" jsonschema:"description=builtin:world or the path of a safetensors file with OpenAI's names"`
	Vocabulary string `yaml:"vocabulary" jsonschema:"description=builtin:world or builtin:clip or the path of a merges file"`
	// Activation is nil where the file of clip is to say: a pointer, so that run files without it keep their digests.
	Activation *string `yaml:"activation,omitempty" json:",omitempty" jsonschema:"enum=quick_gelu,enum=gelu,description=of both towers; only where the file of clip does not name it: quick_gelu if left out"`
}

// Data names the shards and what is done to their samples.
type Data struct {
	Shards  string  `yaml:"shards" numbers:"no" jsonschema:"description=key prefix of the shards in the store"`
	World   *World  `yaml:"world,omitempty" jsonschema:"description=draw this synthetic world where the store has no shards yet"`
	Window  int     `yaml:"window" jsonschema:"description=samples within which order is shuffled"`
	Augment Augment `yaml:"augment"`
}

// World is a synthetic captioned world.
type World struct {
	Scenes   int    `yaml:"scenes"`
	Seed     uint64 `yaml:"seed"`
	PerShard int    `yaml:"per_shard"`
	Shuffled bool   `yaml:"shuffled,omitempty" jsonschema:"description=give every image the caption of another one: a control that must not learn"`
}

// Augment is the training augmentation; package dataset documents each field.
type Augment struct {
	Crop        bool    `yaml:"crop"`
	ScaleMin    float64 `yaml:"scale_min"`
	ScaleMax    float64 `yaml:"scale_max"`
	RatioMin    float64 `yaml:"ratio_min"`
	RatioMax    float64 `yaml:"ratio_max"`
	Flip        float64 `yaml:"flip"`
	Shift       int     `yaml:"shift"`
	ShiftStride int     `yaml:"shift_stride"`
	RandAugment string  `yaml:"rand_augment"`
	Gain        float64 `yaml:"gain"`
	Erase       float64 `yaml:"erase"`
}

// Loss holds the weights of tcl-spec section 3 and the area priors.
type Loss struct {
	TCL           float64 `yaml:"tcl"`
	Area          float64 `yaml:"area"`
	TV            float64 `yaml:"tv"`
	Prior         float64 `yaml:"prior"`
	PriorNegative float64 `yaml:"prior_negative"`
}

// MaskInit holds the initial w and b of the masks and the temperature of the Gumbel-sigmoid.
type MaskInit struct {
	Scale float64 `yaml:"scale"`
	Bias  float64 `yaml:"bias"`
	Tau   float64 `yaml:"tau"`
}

// Optimiser holds AdamW and the schedule (tcl-spec section 6). Rates are final values, after any scaling by the batch.
type Optimiser struct {
	Rate        float64    `yaml:"rate"`
	MinRate     float64    `yaml:"min_rate"`
	WarmupSteps int        `yaml:"warmup_steps"`
	WarmupStart float64    `yaml:"warmup_start" jsonschema:"description=fraction of rate at step 0"`
	Betas       [2]float64 `yaml:"betas,flow"`
	Epsilon     float64    `yaml:"epsilon"`
	WeightDecay float64    `yaml:"weight_decay"`
	Clip        float64    `yaml:"clip"`
	Gates       float64    `yaml:"gates" jsonschema:"description=rate multiplier of the four gates"`
	Sim         float64    `yaml:"sim" jsonschema:"description=rate multiplier of w and b"`
	Block       float64    `yaml:"block" jsonschema:"description=rate multiplier of the masker block"`
}

// Checkpoint says when to save and how many healthy checkpoints to keep.
type Checkpoint struct {
	Every int   `yaml:"every" jsonschema:"description=save after every so many steps; 0 for the end only"`
	At    []int `yaml:"at,flow,omitempty" jsonschema:"description=save also after these many steps"`
	Keep  int   `yaml:"keep"`
}

// Evaluation measures mIoU on held-out scenes of the world: a few on the way, all of them when asked to.
type Evaluation struct {
	Scenes    int     `yaml:"scenes"`
	Seed      uint64  `yaml:"seed"`
	Every     int     `yaml:"every" jsonschema:"description=also on the way: the first checkpoint at or after every multiple of so many steps; 0 for never; needs data.world"`
	Threshold float64 `yaml:"threshold" jsonschema:"description=score of the background"`
	PAMR      bool    `yaml:"pamr"`
	CLIPMix   float64 `yaml:"clip_mix"`
}

// Defaults returns the release's recipe (tcl-spec section 6) at sizes that need no decision.
func Defaults() RunFile {
	return RunFile{
		Name: "run", Seed: 1, Steps: 50001, Phase2From: 30000, Batch: 1024, MicroBatch: 64,
		Model: Model{CLIP: "", Vocabulary: "builtin:clip"},
		Data: Data{Shards: "shards", Window: 40000, Augment: Augment{Crop: true, ScaleMin: 0.08, ScaleMax: 1, RatioMin: 0.75, RatioMax: 4. / 3,
			Flip: 0.5, RandAugment: "rand-m9-mstd0.5-inc1", Erase: 0.25}},
		Loss:  Loss{TCL: 0.1, Area: 0.4, TV: 1, Prior: 0.4},
		Masks: MaskInit{Scale: 10, Bias: -2.5, Tau: 1},
		Optimiser: Optimiser{Rate: 7.5e-5, MinRate: 1e-5, WarmupSteps: 15000, WarmupStart: 1e-4, Betas: [2]float64{0.9, 0.999},
			Epsilon: 1e-6, WeightDecay: 0.05, Clip: 5, Gates: 1, Sim: 1, Block: 1},
		Checkpoint: Checkpoint{Every: 1000, Keep: 3},
		Evaluation: Evaluation{Scenes: 200, Seed: 1000, Threshold: 0.4},
		Store:      "file://runs/store", Device: "auto", Workers: 1,
	}
}

// Lanes returns V = N/B.
func (r *RunFile) Lanes() int { return r.Batch / r.MicroBatch }

// ReadRunFile reads, checks and completes the run file at path. Errors name file, line and column, show the line with a
// caret, and give the nearest valid key.
func ReadRunFile(path string) (*RunFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("run file %s: %w", path, errNoPath(err))
	}
	if info.Size() > MaxRunFile {
		return nil, fmt.Errorf("run file %s: %d bytes; a run file has at most %d", path, info.Size(), MaxRunFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("run file %s: %w", path, errNoPath(err))
	}
	return ParseRunFile(path, data)
}

// ParseRunFile is ReadRunFile for contents at hand; name stands in errors.
func ParseRunFile(name string, data []byte) (*RunFile, error) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, syntaxError(name, err)
	}
	if err := refuseAliases(name, file); err != nil {
		return nil, err
	}
	run := Defaults()
	if err := yaml.NodeToValue(body(file), &run, yaml.Strict()); err != nil {
		return nil, syntaxError(name, err)
	}
	if err := run.check(name, file); err != nil {
		return nil, err
	}
	return &run, nil
}

func body(f *ast.File) ast.Node {
	if len(f.Docs) == 0 || f.Docs[0].Body == nil {
		return &ast.NullNode{}
	}
	return f.Docs[0].Body
}

// refuseAliases closes the door to alias bombs: a run file needs no anchors.
func refuseAliases(name string, f *ast.File) error {
	for _, d := range f.Docs {
		if d.Body == nil {
			continue
		}
		for _, n := range append(ast.Filter(ast.AnchorType, d.Body), ast.Filter(ast.AliasType, d.Body)...) {
			at := n.GetToken().Position
			return fmt.Errorf("run file %s:%d:%d: anchors and aliases are not allowed; write the value out", name, at.Line, at.Column)
		}
	}
	return nil
}

// Canonical returns the run file as JSON with sorted keys: what is stored with the run and compared on resume.
func (r *RunFile) Canonical() []byte {
	data, err := json.Marshal(r.flat())
	if err != nil {
		panic(fmt.Sprintf("proto: run file does not encode: %v", err))
	}
	return data
}

// Digest is the SHA-256 of all keys that alter numbers.
func (r *RunFile) Digest() string {
	keys := r.flat()
	for k := range keys {
		if !altersNumbers(k) {
			delete(keys, k)
		}
	}
	data, err := json.Marshal(keys)
	if err != nil {
		panic(fmt.Sprintf("proto: run file does not encode: %v", err))
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Changed lists the keys that alter numbers and differ between r and other, as "key: old → new", sorted.
func (r *RunFile) Changed(other *RunFile) []string {
	a, b := r.flat(), other.flat()
	var changed []string
	for k := range a {
		if altersNumbers(k) && !reflect.DeepEqual(a[k], b[k]) {
			changed = append(changed, fmt.Sprintf("%s: %v → %v", k, a[k], b[k]))
		}
	}
	for k := range b {
		if _, both := a[k]; !both && altersNumbers(k) {
			changed = append(changed, fmt.Sprintf("%s: unset → %v", k, b[k]))
		}
	}
	sort.Strings(changed)
	return changed
}

// flat returns every leaf under its dotted key.
func (r *RunFile) flat() map[string]any {
	out := map[string]any{}
	flatten(out, "", reflect.ValueOf(*r))
	return out
}

func flatten(out map[string]any, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		key := prefix + yamlName(v.Type().Field(i))
		field := v.Field(i)
		if field.Kind() == reflect.Pointer {
			if field.IsNil() {
				continue
			}
			field = field.Elem()
		}
		if field.Kind() == reflect.Struct {
			flatten(out, key+".", field)
			continue
		}
		out[key] = field.Interface()
	}
}

func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

// altersNumbers looks the dotted key up in the struct tags.
func altersNumbers(key string) bool {
	t := reflect.TypeFor[RunFile]()
	for _, part := range strings.Split(key, ".") {
		f, ok := fieldByKey(t, part)
		if !ok || f.Tag.Get("numbers") == "no" {
			return false
		}
		if t = f.Type; t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
	}
	return true
}

func fieldByKey(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if yamlName(t.Field(i)) == key {
			return t.Field(i), true
		}
	}
	return reflect.StructField{}, false
}
