package segment

import (
	"fmt"
	"math"

	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/kernels"
)

// batchPixels bounds the pixels that go through the model at once: 32 scenes of the world, or one window of the paper.
const batchPixels = 1 << 17

// Stages are the maps of windows on their way, one for each window and class. Each stage is the one before where the
// protocol leaves it out.
type Stages struct {
	Soft    Maps // the model's soft masks
	Refined Maps // by PAMR
	Mixed   Maps // with CLIP's patch scores
	Out     Maps // at the size of the window
}

// Average scores all windows of images [3, h, w] of one size and averages them where they overlap: [C, h, w] an image.
func (s *Segmenter) Average(classes *Classes, images []Maps) ([]Maps, error) {
	height, width := images[0].Height, images[0].Width
	windows := s.protocol.Windows(height, width)
	sums := make([]Maps, len(images))
	for i := range sums {
		sums[i] = Maps{len(classes.Names), height, width, make([]float32, len(classes.Names)*height*width)}
	}
	var views []Maps
	for i := range images {
		for _, w := range windows {
			views = append(views, images[i].Cut(w))
		}
	}
	together := max(1, batchPixels/(views[0].Height*views[0].Width))
	for from := 0; from < len(views); from += together {
		to := min(from+together, len(views))
		stages, err := s.Ground(classes, views[from:to])
		if err != nil {
			return nil, err
		}
		for v := from; v < to; v++ {
			c := len(classes.Names)
			sums[v/len(windows)].add(stages.Out.part((v-from)*c, (v-from+1)*c), windows[v%len(windows)])
		}
	}
	if len(windows) > 1 {
		divide(sums, windows)
	}
	return sums, nil
}

// add adds the maps of a window.
func (p Maps) add(q Maps, w Window) {
	for line := range q.Count * q.Height {
		c, y := line/q.Height, line%q.Height
		to := p.Values[(c*p.Height+w.Y1+y)*p.Width+w.X1:]
		for x, v := range q.Values[line*q.Width:][:q.Width] {
			to[x] += v
		}
	}
}

// divide divides every place of the sums by the number of windows over it.
func divide(sums []Maps, windows []Window) {
	height, width := sums[0].Height, sums[0].Width
	over := make([]float32, height*width)
	for _, w := range windows {
		for y := w.Y1; y < w.Y2; y++ {
			for x := w.X1; x < w.X2; x++ {
				over[y*width+x]++
			}
		}
	}
	for _, p := range sums {
		for i := range p.Values {
			p.Values[i] /= over[i%len(over)]
		}
	}
}

// Ground takes windows [3, h, w] of one size through the stages of tcl-spec section 8.
func (s *Segmenter) Ground(classes *Classes, windows []Maps) (Stages, error) {
	height, width := windows[0].Height, windows[0].Width
	var images []float32
	for _, w := range windows {
		images = append(images, w.Values...)
	}
	g, err := s.model.Ground(dense.Of(images, len(windows), 3, height, width), classes.Embeddings)
	if err != nil {
		return Stages{}, err
	}
	var st Stages
	st.Soft = mapsOf(g.Soft)
	if st.Refined, err = s.refine(st.Soft, windows, Window{g.Top, g.Top + height, g.Left, g.Left + width}, g.Height, g.Width); err != nil {
		return st, err
	}
	if st.Mixed, err = s.mix(st.Refined, mapsOf(g.CLIP)); err != nil {
		return st, err
	}
	padded, err := s.resample(st.Mixed, g.Height, g.Width, kernels.Bilinear)
	st.Out = padded
	if g.Height != height || g.Width != width {
		st.Out = padded.Cut(Window{g.Top, g.Top + height, g.Left, g.Left + width})
	}
	return st, err
}

// refine is PAMR, by each window's own image, which stands at place inside the padding that the masks cover.
func (s *Segmenter) refine(soft Maps, windows []Maps, place Window, height, width int) (Maps, error) {
	if !s.protocol.PAMR {
		return soft, nil
	}
	c := soft.Count / len(windows)
	out := Maps{soft.Count, soft.Height, soft.Width, make([]float32, len(soft.Values))}
	masks := s.dev.Alloc(kernels.Float32, c, soft.Height, soft.Width)
	image := s.dev.Alloc(kernels.Float32, 3, soft.Height, soft.Width)
	defer s.dev.Free(masks, image)
	for i, w := range windows {
		small, err := s.resample(w.pad(place, height, width), soft.Height, soft.Width, kernels.BilinearAligned)
		if err != nil {
			return out, err
		}
		s.dev.Upload(image, small.Values)
		s.dev.Upload(masks, soft.part(i*c, (i+1)*c).Values)
		s.dev.RefineMasks(masks, image, kernels.PAMR{Dilations: s.protocol.Dilations, Iterations: s.protocol.Iterations})
		if err := s.dev.Download(out.part(i*c, (i+1)*c).Values, masks); err != nil {
			return out, fmt.Errorf("refining masks: %w", err)
		}
	}
	return out, nil
}

// pad puts p at place inside zeros of that size.
func (p Maps) pad(place Window, height, width int) Maps {
	if p.Height == height && p.Width == width {
		return p
	}
	out := Maps{p.Count, height, width, make([]float32, p.Count*height*width)}
	out.add(p, place)
	return out
}

// mix adds the scores of CLIP's own patches: mix*sigmoid((cosine-0.25)*10) + (1-mix)*mask.
func (s *Segmenter) mix(masks, cosines Maps) (Maps, error) {
	share := float32(s.protocol.CLIPMix)
	if share == 0 {
		return masks, nil
	}
	patches := Maps{cosines.Count, cosines.Height, cosines.Width, make([]float32, len(cosines.Values))}
	for i, v := range cosines.Values {
		patches.Values[i] = float32(1 / (1 + math.Exp(-10*(float64(v)-0.25))))
	}
	out, err := s.resample(patches, masks.Height, masks.Width, kernels.Bilinear)
	if err != nil {
		return out, err
	}
	for i, v := range masks.Values {
		out.Values[i] = share*out.Values[i] + (1-share)*v
	}
	return out, nil
}
