package golden

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/tcl"
)

// resizeCase is one entry of the metadata of a resizing golden.
type resizeCase struct {
	Mode    string `json:"mode"`
	Size    []int  `json:"size"`
	Aligned bool   `json:"align_corners"`
}

func (c resizeCase) resampling() (kernels.Resampling, error) {
	switch {
	case c.Mode == "nearest":
		return kernels.Nearest, nil
	case c.Mode == "bilinear" && c.Aligned:
		return kernels.BilinearAligned, nil
	case c.Mode == "bilinear":
		return kernels.Bilinear, nil
	case c.Mode == "bicubic" && !c.Aligned:
		return kernels.Bicubic, nil
	}
	return 0, fmt.Errorf("mode %q with align_corners %v is not understood", c.Mode, c.Aligned)
}

func replayResize(r *Report, f *safetensors.File, dev kernels.Device) error {
	var cases map[string]resizeCase
	if err := json.Unmarshal([]byte(f.Metadata["cases"]), &cases); err != nil {
		return fmt.Errorf("metadata: cases: %w", err)
	}
	var names []string
	for name := range cases {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := compareResize(r, f, dev, name, cases[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return comparePositions(r, f, dev)
}

func compareResize(r *Report, f *safetensors.File, dev kernels.Device, name string, c resizeCase) error {
	how, err := c.resampling()
	if err != nil {
		return err
	}
	in, values, err := narrowed(f, name+".in")
	if err != nil {
		return err
	}
	if len(in) != 3 || len(c.Size) != 2 {
		return fmt.Errorf("shape %v to size %v, but [C, h, w] to [H, W] is understood", in, c.Size)
	}
	src, dst := dev.Alloc(kernels.Float32, in...), dev.Alloc(kernels.Float32, in[0], c.Size[0], c.Size[1])
	defer dev.Free(src, dst)
	dev.Upload(src, values)
	dev.Resize(dst, src, how)
	have := make([]float32, dst.Len())
	if err := dev.Download(have, dst); err != nil {
		return err
	}
	return compareResized(r, f, name+".out", have)
}

// comparePositions resizes the file's position embedding to each size that it has results for.
func comparePositions(r *Report, f *safetensors.File, dev kernels.Device) error {
	const source = "pos_embedding.in"
	if !f.Has(source) {
		return nil
	}
	shape, position, err := narrowed(f, source)
	if err != nil {
		return err
	}
	for _, t := range f.Tensors {
		var rows, cols int
		if n, _ := fmt.Sscanf(t.Name, "pos_embedding_%dx%d.out", &rows, &cols); n != 2 {
			continue
		}
		have, err := tcl.ResizePositions(dev, position, shape[1], rows, cols)
		if err != nil {
			return err
		}
		if err := compareResized(r, f, t.Name, have); err != nil {
			return err
		}
	}
	return nil
}

func compareResized(r *Report, f *safetensors.File, name string, have []float32) error {
	want, err := expect(f, name)
	if err != nil {
		return err
	}
	diff, err := want.relative(widen(have))
	r.add("resized", relative, Entry{name, diff, resizeBound})
	return err
}

// narrowed reads a tensor of any float type as float32.
func narrowed(f *safetensors.File, name string) (shape []int, values []float32, err error) {
	t, err := f.Tensor(name)
	if err != nil {
		return nil, nil, err
	}
	wide, err := t.Float64s()
	for _, v := range wide {
		values = append(values, float32(v))
	}
	return t.Shape, values, err
}
