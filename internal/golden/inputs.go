package golden

import (
	"encoding/json"
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/tcl"
)

// source finds the value of a weight that the configuration wants.
type source func(tcl.Parameter) (*tensor.Dense, error)

// weights returns the frozen CLIP and the grounder, read from the file or made from its recipe.
func weights(f *safetensors.File, m metadata) (clip, ground tcl.Weights, err error) {
	get := stored(f)
	if !f.Has("in.weights.masker.sim2mask.w") {
		if get, err = recipe(f, m.Seed); err != nil {
			return nil, nil, err
		}
	}
	if clip, err = collect(tcl.CLIPParameters(m.Config), "clip.", get); err != nil {
		return nil, nil, err
	}
	ground, err = collect(tcl.Trainables(m.Config), "", get)
	return clip, ground, err
}

func collect(list []tcl.Parameter, prefix string, get source) (tcl.Weights, error) {
	w := tcl.Weights{}
	for _, p := range list {
		value, err := get(tcl.Parameter{Name: prefix + p.Name, Shape: p.Shape})
		if err != nil {
			return nil, err
		}
		w[p.Name] = value
	}
	return w, nil
}

// stored reads weights from the file.
func stored(f *safetensors.File) source {
	return func(p tcl.Parameter) (*tensor.Dense, error) {
		t, err := f.Want("in.weights."+p.Name, safetensors.F32, p.Shape)
		if err != nil {
			return nil, err
		}
		return t.Dense()
	}
}

// ingredient says how a weight is drawn.
type ingredient struct {
	Name      string  `json:"name"`
	Shape     []int   `json:"shape"`
	Center    float64 `json:"center"`
	Halfwidth float64 `json:"halfwidth"`
}

// recipe makes weights the way the file's metadata says.
func recipe(f *safetensors.File, seed uint64) (source, error) {
	var list []ingredient
	if err := json.Unmarshal([]byte(f.Metadata["recipe"]), &list); err != nil {
		return nil, fmt.Errorf("metadata: recipe: %w", err)
	}
	ingredients := map[string]ingredient{}
	for _, i := range list {
		ingredients[i.Name] = i
	}
	return func(p tcl.Parameter) (*tensor.Dense, error) {
		i, ok := ingredients[p.Name]
		if !ok || !slices.Equal(i.Shape, p.Shape) {
			return nil, fmt.Errorf("metadata: recipe: no weight %q of shape %v", p.Name, p.Shape)
		}
		return dense.Of(uniform(seed, p.Name, p.Len(), i.Center, i.Halfwidth), p.Shape...), nil
	}, nil
}

// lane is what one micro-batch puts in.
type lane struct {
	tcl.Batch
	tokens [][]int32
}

func lanes(f *safetensors.File, m metadata) ([]lane, error) {
	side, b := m.Vision.Image, m.MicroBatch
	perImage := 3 * side * side
	images, err := laneImages(f, m, m.pairs()*perImage)
	if err != nil {
		return nil, err
	}
	noise, err := sized(f.Float32s, "in.gumbel_u", m.pairs()*m.Positions())
	if err != nil {
		return nil, err
	}
	tokens, err := sized(f.Int32s, "in.tokens", m.pairs()*m.Text.Context)
	if err != nil {
		return nil, err
	}
	list := make([]lane, m.MicroBatches)
	for k := range list {
		list[k].Batch = tcl.Batch{Lane: k, Images: dense.Of(part(images, k, b*perImage), b, 3, side, side), Noise: part(noise, k, b*m.Positions())}
		for i := range b {
			list[k].tokens = append(list[k].tokens, part(tokens, k*b+i, m.Text.Context))
		}
	}
	return list, nil
}

func laneImages(f *safetensors.File, m metadata, n int) ([]float32, error) {
	if f.Has("in.image") {
		return sized(f.Float32s, "in.image", n)
	}
	return uniform(m.Seed, "image", n, 0, 2), nil
}

// sized reads a tensor of n values.
func sized[T any](read func(string) ([]T, error), name string, n int) ([]T, error) {
	values, err := read(name)
	if err == nil && len(values) != n {
		err = fmt.Errorf("%s has %d values, but the configuration wants %d", name, len(values), n)
	}
	return values, err
}

// part returns slice k of length n.
func part[T any](x []T, k, n int) []T { return x[k*n : (k+1)*n] }
