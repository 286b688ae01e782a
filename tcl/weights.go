package tcl

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/internal/dense"
)

// Weights are named tensors on the host, float32. Range over Names, never over the map, where order matters.
type Weights map[string]*tensor.Dense

// Values returns the values of a tensor that is there, row-major and shared.
func (w Weights) Values(name string) []float32 { return dense.Floats(w[name]) }

// Names lists the names in order.
func (w Weights) Names() []string {
	list := make([]string, 0, len(w))
	for name := range w {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// Flat concatenates the listed tensors.
func (w Weights) Flat(list []Parameter) []float32 {
	n := 0
	for _, p := range list {
		n += p.Len()
	}
	flat := make([]float32, 0, n)
	for _, p := range list {
		flat = append(flat, w.Values(p.Name)...)
	}
	return flat
}

// Unflatten cuts a flat vector into the listed tensors, which alias it. It is the inverse of Flat.
func Unflatten(flat []float32, list []Parameter) Weights {
	w := make(Weights, len(list))
	for _, p := range list {
		w[p.Name] = dense.Of(flat[:p.Len():p.Len()], p.Shape...)
		flat = flat[p.Len():]
	}
	return w
}

// Check refuses weights in which a listed tensor is missing, has another shape, or holds a value that is not finite. The
// error names file, tensor and mend.
func (w Weights) Check(file string, list []Parameter) error {
	for _, p := range list {
		have, ok := w[p.Name]
		if !ok {
			return fmt.Errorf("%s: tensor %q is missing: take a file that holds it, or mend the sizes of the model", file, p.Name)
		}
		if shape := dense.Shape(have); !slices.Equal(shape, p.Shape) {
			return fmt.Errorf("%s: tensor %q has shape %v, but the model wants %v: take weights of this architecture", file, p.Name, shape, p.Shape)
		}
		values, err := dense.Values[float32](have, p.Shape...)
		if err != nil {
			return fmt.Errorf("%s: tensor %q is %w: take weights in float32, float16 or bfloat16", file, p.Name, err)
		}
		for i, v := range values {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("%s: tensor %q: value %d is %v: the file is damaged or its training diverged, take an older one", file, p.Name, i, v)
			}
		}
	}
	return nil
}

// LoadCLIP takes the frozen CLIP out of a safetensors file called file: OpenAI's names, which may stand behind a common
// prefix such as "clip.". The sizes come from the shapes, and the head counts from the metadata key "config" (JSON of
// Config) or, without one, from CLIP's rule of 64 channels a head.
func LoadCLIP(file string, f *safetensors.File) (Config, Weights, error) {
	prefix, err := prefixOf(file, f, "visual.conv1.weight")
	if err != nil {
		return Config{}, nil, err
	}
	cfg, err := clipConfig(file, f, prefix)
	if err != nil {
		return Config{}, nil, err
	}
	w, err := load(file, f, prefix, CLIPParameters(cfg))
	return cfg, w, err
}

// LoadGrounder takes the trainable weights of both phases out of a safetensors file under the reference's names.
func LoadGrounder(file string, f *safetensors.File, cfg Config) (Weights, error) {
	prefix, err := prefixOf(file, f, simPrefix+"w")
	if err != nil {
		return nil, err
	}
	return load(file, f, prefix, Trainables(cfg))
}

// prefixOf finds what stands before the name that every file of this kind has once.
func prefixOf(file string, f *safetensors.File, landmark string) (string, error) {
	var found []string
	for _, t := range f.Tensors {
		if prefix, ok := strings.CutSuffix(t.Name, landmark); ok && (prefix == "" || strings.HasSuffix(prefix, ".")) {
			found = append(found, prefix)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%s: tensor %q is missing: this is no file of such weights, or it uses other names", file, landmark)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%s: tensor %q stands behind %d prefixes, %q among them: take a file of one model", file, landmark, len(found), found[:2])
}

func load(file string, f *safetensors.File, prefix string, list []Parameter) (Weights, error) {
	w := make(Weights, len(list))
	for _, p := range list {
		if !f.Has(prefix + p.Name) {
			continue // Check names it
		}
		t, err := f.Tensor(prefix + p.Name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if w[p.Name], err = t.Dense(); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return w, w.Check(file, list)
}

// clipConfig reads the sizes off the shapes.
func clipConfig(file string, f *safetensors.File, prefix string) (Config, error) {
	var missing error
	shape := func(name string, rank int) []int {
		for _, t := range f.Tensors {
			if t.Name == prefix+name && len(t.Shape) == rank {
				return t.Shape
			}
		}
		missing = fmt.Errorf("%s: no tensor %q of %d dimensions: take a file with both CLIP towers under OpenAI's names", file, prefix+name, rank)
		return make([]int, rank)
	}
	conv, grid := shape("visual.conv1.weight", 4), shape("visual.positional_embedding", 2)
	table, context := shape("token_embedding.weight", 2), shape("positional_embedding", 2)
	cfg := Config{
		Vision: Vision{Patch: conv[2], Width: conv[0], Embed: shape("visual.proj", 2)[1]},
		Text:   Text{Context: context[0], Vocab: table[0], Width: table[1]},
	}
	if missing != nil {
		return cfg, missing
	}
	side := int(math.Round(math.Sqrt(float64(max(grid[0]-1, 0)))))
	cfg.Vision.Image = side * cfg.Vision.Patch
	for slices.ContainsFunc(f.Tensors, named(prefix+imageBlockPrefix(cfg.Vision.Layers)+"ln_1.weight")) {
		cfg.Vision.Layers++
	}
	for slices.ContainsFunc(f.Tensors, named(prefix+textBlockPrefix(cfg.Text.Layers)+"ln_1.weight")) {
		cfg.Text.Layers++
	}
	if err := clipHeads(f, &cfg); err != nil {
		return cfg, fmt.Errorf("%s: metadata: %w", file, err)
	}
	if err := cfg.Check(); err != nil {
		return cfg, fmt.Errorf("%s: %w: take weights of a vision transformer", file, err)
	}
	return cfg, nil
}

// clipHeads completes what no shape tells.
func clipHeads(f *safetensors.File, cfg *Config) error {
	const channelsPerHead = 64
	cfg.Vision.Heads, cfg.Text.Heads = cfg.Vision.Width/channelsPerHead, cfg.Text.Width/channelsPerHead
	text, ok := f.Metadata["config"]
	if !ok {
		return nil
	}
	var said Config
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	cfg.Vision.Heads, cfg.Text.Heads = said.Vision.Heads, said.Text.Heads
	if said != *cfg {
		return fmt.Errorf("config says %+v, but the shapes say %+v: the file was put together from two models", said, *cfg)
	}
	return nil
}

func named(name string) func(safetensors.Tensor) bool {
	return func(t safetensors.Tensor) bool { return t.Name == name }
}
