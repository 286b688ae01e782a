package cliptrain

import (
	"math"
	"strings"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/tcl"
)

// A small model learns fast from little data if it starts well: attention that looks at similar patches nearby, patches
// that show edges as much as colour, embeddings whose cosines are not all near 1.
const (
	whitenImages  = 1000
	whitenEpsilon = 1e-2 // of the largest variance
	centreImages  = 512
	queryScale    = 0.7
	positionScale = 0.5
	positionSpan  = 30 // ratio of the highest to the lowest frequency
	startScale    = 1 / 0.07
)

// Start makes the weights before step 0, tcl.PretrainParameters. They depend on the set: its first images whiten the patch
// embedding and centre both towers' outputs.
func Start(dev kernels.Device, r *Recipe, set *Set, tokenizer *dataset.Tokenizer) (tcl.Weights, error) {
	cfg := r.Config(tokenizer.Size())
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	w := drawWeights(cfg, r.Seed)
	m := newMaker(r, set, tokenizer)
	images, _, err := m.plain(min(whitenImages, len(set.pairs)))
	if err != nil {
		return nil, err
	}
	key := philox.NewKey(r.Seed, philox.Init)
	copy(w.Values("visual.conv1.weight"), whitened(images, cfg.Vision, key.Stream(uint32(len(w)), 0, 0)))
	return w, centre(dev, r, cfg, w, m)
}

// drawWeights draws every tensor from a stream of its own.
func drawWeights(cfg tcl.Config, seed uint64) tcl.Weights {
	w := tcl.Weights{}
	key := philox.NewKey(seed, philox.Init)
	for i, p := range tcl.PretrainParameters(cfg) {
		values := make([]float32, p.Len())
		deviation, constant := start(cfg, p.Name)
		stream := key.Stream(uint32(i), 0, 0)
		for j := range values {
			values[j] = constant
			if deviation > 0 {
				values[j] = float32(deviation * stream.Normal())
			}
		}
		w[p.Name] = dense.Of(values, p.Shape...)
	}
	gridPositions(w.Values("visual.positional_embedding"), cfg.Vision)
	for name := range w {
		if strings.HasPrefix(name, "visual.") && strings.HasSuffix(name, "attn.in_proj_weight") {
			localAttention(w.Values(name), cfg.Vision.Width)
		}
	}
	return w
}

// start returns the deviation of a tensor's normal values, or the constant that it begins with.
func start(cfg tcl.Config, name string) (deviation float64, constant float32) {
	width, layers := cfg.Text.Width, cfg.Text.Layers
	if strings.HasPrefix(name, "visual.") {
		width, layers = cfg.Vision.Width, cfg.Vision.Layers
	}
	natural := 1 / math.Sqrt(float64(width))
	switch {
	case name == tcl.LogitScale:
		return 0, float32(math.Log(startScale))
	case name == "token_embedding.weight":
		return 0.02, 0
	case name == "positional_embedding":
		return 0.01, 0
	case strings.Contains(name, "ln_"):
		if strings.HasSuffix(name, ".weight") {
			return 0, 1
		}
		return 0, 0
	case strings.HasSuffix(name, "bias"):
		return 0, 0
	case strings.HasSuffix(name, "attn.out_proj.weight"), strings.HasSuffix(name, "mlp.c_proj.weight"):
		return natural / math.Sqrt(2*float64(layers)), 0
	case strings.HasSuffix(name, "mlp.c_fc.weight"):
		return natural / math.Sqrt2, 0
	}
	return natural, 0
}

// gridPositions overwrites the patches' positions [1+g*g, D] by sines and cosines of row and column.
func gridPositions(values []float32, v tcl.Vision) {
	side, quarter := v.Image/v.Patch, v.Width/4
	for i := range side * side {
		row := values[(1+i)*v.Width:]
		for k := range quarter {
			f := math.Exp(-math.Log(positionSpan)*float64(k)/float64(max(quarter-1, 1))) * 2 * math.Pi / float64(side)
			sinY, cosY := math.Sincos(f * float64(i/side))
			sinX, cosX := math.Sincos(f * float64(i%side))
			for part, s := range [4]float64{sinY, cosY, sinX, cosX} {
				row[part*quarter+k] = float32(positionScale * s)
			}
		}
	}
}

// localAttention makes keys equal to queries in a stacked projection [3D, D], so that tokens attend to similar ones.
func localAttention(values []float32, width int) {
	q, k := values[:width*width], values[width*width:2*width*width]
	for i := range q {
		q[i] *= queryScale
	}
	copy(k, q)
}

// whitened returns a patch embedding [D, 3*p*p] that makes all principal components of the images' patches equally loud,
// then turns them at random. Without it the mean colour drowns the edges.
func whitened(images []float32, v tcl.Vision, r *philox.Stream) []float32 {
	values, vectors := eigen(patchCovariance(images, v))
	components := min(v.Width, vectors.n)
	turn := rotation(v.Width, r)
	w := make([]float32, v.Width*vectors.n)
	sum := make([]float64, vectors.n)
	for d := range v.Width {
		clear(sum)
		for k := range components {
			addScaled(sum, turn.at(d, k)/math.Sqrt(values[k]+whitenEpsilon*values[0]), vectors.row(k))
		}
		for j, x := range sum {
			w[d*vectors.n+j] = float32(x)
		}
	}
	return w
}

// patchCovariance is that of all patches of images [n, 3, S, S], a patch laid out as the patch embedding's weights are.
func patchCovariance(images []float32, v tcl.Vision) matrix {
	n := 3 * v.Patch * v.Patch
	sum, products, patch := make([]float64, n), newMatrix(n), make([]float64, n)
	count := 0.0
	for len(images) > 0 {
		image := images[:3*v.Image*v.Image]
		images = images[len(image):]
		for y := 0; y < v.Image; y += v.Patch {
			for x := 0; x < v.Image; x += v.Patch {
				cutPatch(patch, image, v, y, x)
				addScaled(sum, 1, patch)
				for i, p := range patch {
					addScaled(products.row(i)[:i+1], p, patch[:i+1])
				}
				count++
			}
		}
	}
	for i := range n {
		for j := range i + 1 {
			c := (products.at(i, j) - sum[i]*sum[j]/count) / (count - 1)
			products.set(i, j, c)
			products.set(j, i, c)
		}
	}
	return products
}

func cutPatch(patch []float64, image []float32, v tcl.Vision, y, x int) {
	for c := range 3 {
		for dy := range v.Patch {
			for dx := range v.Patch {
				patch[(c*v.Patch+dy)*v.Patch+dx] = float64(image[(c*v.Image+y+dy)*v.Image+x+dx])
			}
		}
	}
}

// centre lowers the biases of the last layer norms by the mean of what they give on the set's first pairs.
func centre(dev kernels.Device, r *Recipe, cfg tcl.Config, w tcl.Weights, m *maker) error {
	p, err := tcl.NewPretrainer(dev, cfg, w, r.pretrainOptions())
	if err != nil {
		return err
	}
	defer p.Close()
	passes := max(min(centreImages, len(m.set.pairs))/r.Batch, 1)
	images, tokens, err := m.plain(passes * r.Batch)
	if err != nil {
		return err
	}
	values := len(images) / passes
	classMean, textMean := make([]float64, cfg.Vision.Width), make([]float64, cfg.Text.Width)
	for i := range passes {
		if _, err := p.Forward(images[i*values:(i+1)*values], tokens[i*r.Batch:(i+1)*r.Batch]); err != nil {
			return err
		}
		classes, texts, err := p.Normed()
		if err != nil {
			return err
		}
		addMeans(classMean, classes, passes*r.Batch)
		addMeans(textMean, texts[:r.Batch*cfg.Text.Width], passes*r.Batch)
	}
	lower(w.Values("visual.ln_post.bias"), classMean)
	lower(w.Values("ln_final.bias"), textMean)
	return nil
}

// addMeans adds the rows of values, over n, to mean.
func addMeans(mean []float64, values []float32, n int) {
	for i, v := range values {
		mean[i%len(mean)] += float64(v) / float64(n)
	}
}

func lower(values []float32, by []float64) {
	for i := range values {
		values[i] -= float32(by[i])
	}
}
