package tcl

import (
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/checkpoint/torch"
	"github.com/textground/textground/internal/dense"
)

// Source is a file of named tensors, whatever its format. Load reads one, as float32.
type Source struct {
	Tensors  []Parameter
	Metadata map[string]string
	Load     func(name string) (*tensor.Dense, error)
}

// FromSafetensors makes a source of a file.
func FromSafetensors(f *safetensors.File) Source {
	s := Source{Metadata: f.Metadata, Load: f.Dense}
	for _, t := range f.Tensors {
		s.Tensors = append(s.Tensors, Parameter{t.Name, t.Shape})
	}
	return s
}

// FromTorch makes a source of a PyTorch archive. Values that float32 does not hold exactly are refused when they are loaded.
func FromTorch(f *torch.File) Source {
	shapes := map[string][]int{}
	s := Source{Load: func(name string) (*tensor.Dense, error) {
		values, err := f.Float32s(name)
		if err != nil {
			return nil, err
		}
		return dense.Of(values, shapes[name]...), nil
	}}
	for _, t := range f.Tensors {
		shapes[t.Name] = t.Shape
		s.Tensors = append(s.Tensors, Parameter{t.Name, t.Shape})
	}
	return s
}

// Join makes one source of two, such as pieces of a model that was cut into files. No tensor may be in both.
func (s Source) Join(piece Source) (Source, error) {
	there, inPiece := map[string]bool{}, map[string]bool{}
	for _, t := range s.Tensors {
		there[t.Name] = true
	}
	for _, t := range piece.Tensors {
		if there[t.Name] {
			return s, fmt.Errorf("tensor %q is in two files of one model", t.Name)
		}
		inPiece[t.Name] = true
	}
	joined := Source{Tensors: slices.Concat(s.Tensors, piece.Tensors), Metadata: s.Metadata}
	if joined.Metadata == nil {
		joined.Metadata = piece.Metadata
	}
	joined.Load = func(name string) (*tensor.Dense, error) {
		if inPiece[name] {
			return piece.Load(name)
		}
		return s.Load(name)
	}
	return joined, nil
}

// Imported is what a file of weights holds, under our names.
type Imported struct {
	Names    string // whose names the file uses: OpenAINames and its siblings
	Config   Config
	CLIP     Weights  // the frozen towers
	Grounder Weights  // the trainable weights of both phases; nil where the file has none
	Dropped  []string // what was in the file and is not used, in its order
}

// Import reads a CLIP, and a grounder where there is one, out of a source called file. The names may stand behind a common
// prefix. Sizes come from the shapes. Whatever is missing, has another shape, or would alter numbers that this model does not
// compute is refused by its name in the file.
func Import(file string, s Source) (*Imported, error) {
	r, err := newImporter(file, s)
	if err != nil {
		return nil, err
	}
	in := &Imported{Names: r.dialect.name}
	if in.Config, in.CLIP, err = r.clip(); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(s.Tensors, func(p Parameter) bool { return strings.HasSuffix(p.Name, simPrefix+"w") }) {
		if in.Grounder, err = r.grounder(in.Config); err != nil {
			return nil, err
		}
	}
	in.Dropped, err = r.unused()
	return in, err
}

// LoadCLIP takes the frozen CLIP out of a safetensors file called file, in any of the dialects. What no shape tells comes from
// the metadata keys "config" (JSON of Config) and ActivationKey; without them heads have 64 channels and the activation is
// QuickGELU, as in OpenAI's models.
func LoadCLIP(file string, f *safetensors.File) (Config, Weights, error) {
	r, err := newImporter(file, FromSafetensors(f))
	if err != nil {
		return Config{}, nil, err
	}
	return r.clip()
}

// HoldsCLIP tells whether a safetensors file has the towers, in any of the dialects.
func HoldsCLIP(f *safetensors.File) bool {
	r := (&importer{source: FromSafetensors(f)}).index()
	return slices.ContainsFunc(dialects, func(d dialect) bool { return len(r.prefixes(d.landmark)) > 0 })
}

// CLIPConfig reads the sizes of a CLIP off a safetensors file called file, without its values.
func CLIPConfig(file string, f *safetensors.File) (Config, error) {
	r, err := newImporter(file, FromSafetensors(f))
	if err != nil {
		return Config{}, err
	}
	return r.clipConfig()
}

// LoadGrounder takes the trainable weights of both phases out of a safetensors file under the reference's names.
func LoadGrounder(file string, f *safetensors.File, cfg Config) (Weights, error) {
	return (&importer{file: file, source: FromSafetensors(f), used: map[string]bool{}}).index().grounder(cfg)
}

// importer reads one source.
type importer struct {
	file    string
	source  Source
	dialect dialect
	prefix  string // of the CLIP
	shapes  map[string][]int
	used    map[string]bool
}

func newImporter(file string, s Source) (*importer, error) {
	r := (&importer{file: file, source: s, used: map[string]bool{}}).index()
	var found []dialect
	for _, d := range dialects {
		if len(r.prefixes(d.landmark)) > 0 {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%s: none of the tensors %q, %q and %q is there: this is no file of both CLIP towers, or it uses other names",
			file, dialects[0].landmark, dialects[1].landmark, dialects[2].landmark)
	case 1:
		r.dialect = found[0]
		var err error
		r.prefix, err = r.prefixOf(r.dialect.landmark)
		return r, err
	}
	return nil, fmt.Errorf("%s: %q and %q are both there: take a file of one model", file, found[0].landmark, found[1].landmark)
}

func (r *importer) index() *importer {
	r.shapes = make(map[string][]int, len(r.source.Tensors))
	for _, p := range r.source.Tensors {
		r.shapes[p.Name] = p.Shape
	}
	return r
}

// prefixes finds what stands before landmark.
func (r *importer) prefixes(landmark string) (found []string) {
	for _, p := range r.source.Tensors {
		if prefix, ok := strings.CutSuffix(p.Name, landmark); ok && (prefix == "" || strings.HasSuffix(prefix, ".")) {
			found = append(found, prefix)
		}
	}
	return found
}

// prefixOf finds what stands before the name that every file of this kind has once.
func (r *importer) prefixOf(landmark string) (string, error) {
	found := r.prefixes(landmark)
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%s: tensor %q is missing: this is no file of such weights, or it uses other names", r.file, landmark)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%s: tensor %q stands behind %d prefixes, %q among them: take a file of one model", r.file, landmark, len(found), found[:2])
}

// clip reads the towers.
func (r *importer) clip() (Config, Weights, error) {
	cfg, err := r.clipConfig()
	if err != nil {
		return cfg, nil, err
	}
	w, err := r.load(CLIPParameters(cfg), r.clipOrigin)
	return cfg, w, err
}

// grounder reads the trainable weights. A reference that cut the frozen blocks off calls the masker block number 0.
func (r *importer) grounder(cfg Config) (Weights, error) {
	prefix, err := r.prefixOf(simPrefix + "w")
	if err != nil {
		return nil, err
	}
	block, first := maskerPrefix(cfg), maskerBlockPrefix(0)
	_, full := r.shapes[prefix+block+"ln_1.weight"]
	_, cut := r.shapes[prefix+first+"ln_1.weight"]
	return r.load(Trainables(cfg), func(name string) origin {
		if tail, ok := strings.CutPrefix(name, block); ok && cut && !full {
			return sameName(prefix + first + tail)
		}
		return sameName(prefix + name)
	})
}

// load reads the listed tensors, each from its origin.
func (r *importer) load(list []Parameter, from func(name string) origin) (Weights, error) {
	w := make(Weights, len(list))
	for _, p := range list {
		o := from(p.Name)
		have, err := r.shape(o)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(have, p.Shape) {
			return nil, fmt.Errorf("%s: tensor %q has shape %v, but the model wants %v: take weights of this architecture", r.file, o.names[0], r.shapes[o.names[0]], o.wanted(p.Shape))
		}
		if w[p.Name], err = r.read(o, p.Shape); err != nil {
			return nil, err
		}
	}
	return w, w.Check(r.file, list)
}

// shape is what a tensor of ours would have.
func (r *importer) shape(o origin) ([]int, error) {
	var shape []int
	for _, name := range o.names {
		part, ok := r.shapes[name]
		switch {
		case !ok:
			return nil, fmt.Errorf("%s: tensor %q is missing: take a file that holds it, or mend the sizes of the model", r.file, name)
		case shape == nil:
			shape = slices.Clone(part)
		case len(part) == 0 || !slices.Equal(part, r.shapes[o.names[0]]):
			return nil, fmt.Errorf("%s: tensor %q has shape %v, but %q has %v: take weights of one model", r.file, name, part, o.names[0], r.shapes[o.names[0]])
		default:
			shape[0] += part[0]
		}
	}
	if o.transposed {
		slices.Reverse(shape)
	}
	return shape, nil
}

// wanted is the shape that each tensor of the origin needs for ours.
func (o origin) wanted(ours []int) []int {
	shape := slices.Clone(ours)
	if len(o.names) > 1 {
		shape[0] /= len(o.names)
	}
	if o.transposed {
		slices.Reverse(shape)
	}
	return shape
}

// read loads an origin whose shape fits.
func (r *importer) read(o origin, shape []int) (*tensor.Dense, error) {
	var values []float32
	for _, name := range o.names {
		r.used[name] = true
		t, err := r.source.Load(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.file, err)
		}
		if len(o.names) == 1 && !o.transposed {
			return t, nil // whatever type it has; Check names it
		}
		part, err := dense.Values[float32](t, dense.Shape(t)...)
		if err != nil {
			return nil, fmt.Errorf("%s: tensor %q is %w: take weights in float32, float16 or bfloat16", r.file, name, err)
		}
		values = append(values, part...)
	}
	if o.transposed {
		values = transposed(values, shape[1], shape[0])
	}
	return dense.Of(values, shape...), nil
}

// transposed returns values [rows, columns] as [columns, rows].
func transposed(values []float32, rows, columns int) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i%columns*rows+i/columns] = v
	}
	return out
}

// unused lists what nobody asked for, and refuses what stands inside a tower: a model with more parts computes other numbers.
func (r *importer) unused() ([]string, error) {
	var dropped []string
	for _, p := range r.source.Tensors {
		if r.used[p.Name] {
			continue
		}
		tail, ok := strings.CutPrefix(p.Name, r.prefix)
		inTower := ok && slices.ContainsFunc(r.dialect.towers, func(t string) bool { return strings.HasPrefix(tail, t) })
		if inTower && !slices.ContainsFunc(r.dialect.harmless, func(e string) bool { return strings.HasSuffix(tail, e) }) {
			return nil, fmt.Errorf("%s: tensor %q of shape %v belongs to no ViT of OpenAI's CLIP: this model computes something else and cannot be imported", r.file, p.Name, p.Shape)
		}
		dropped = append(dropped, p.Name)
	}
	return dropped, nil
}
