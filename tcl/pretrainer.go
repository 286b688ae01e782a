package tcl

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/textground/textground/kernels"
)

// LogitScale is the name of CLIP's temperature: the loss multiplies cosines by exp of it. Only pre-training has a use for it.
const LogitScale = "logit_scale"

// Pretrainer trains all weights of a CLIP on one device: both towers, in one batch a step. The loss belongs to its user,
// who takes the features of Forward, and gives their gradients to Backward.
type Pretrainer struct {
	dev     kernels.Device
	cfg     Config
	options PretrainOptions
	memory  *arena

	list          []Parameter // in the order of the flat vectors: what decays, then what does not
	params, grads kernels.Tensor
	m1, m2        kernels.Tensor
	squared       kernels.Tensor // Float64 [1]
	scale         kernels.Tensor // view of params
	dscale        kernels.Tensor // view of grads

	images imagePretraining
	texts  textPretraining
}

// PretrainOptions hold the sizes of a step and AdamW's numbers.
type PretrainOptions struct {
	Images, Texts         int // images of every step; the most texts of a step
	Beta1, Beta2, Epsilon float64
	WeightDecay           float64 // on tensors of two dimensions and more
	Clip                  float64 // largest norm of the gradient
}

// PretrainFeatures are what the loss sees, and with the same fields its gradients: B images, T texts.
type PretrainFeatures struct {
	Class   []float32 // [B, E], the class token's embedding
	Patches []float32 // [B, E], the mean of the patches' embeddings under the MaskCLIP trick
	Texts   []float32 // [T, E]
	Scale   float32   // the value of LogitScale
}

// PretrainParameters lists the tensors that pre-training holds: CLIPParameters and LogitScale.
func PretrainParameters(cfg Config) []Parameter {
	list := append(CLIPParameters(cfg), Parameter{LogitScale, []int{}})
	decays := func(p Parameter) int {
		if len(p.Shape) >= 2 {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b Parameter) int {
		if d := decays(a) - decays(b); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

// NewPretrainer puts the weights, which hold PretrainParameters, on the device.
func NewPretrainer(dev kernels.Device, cfg Config, w Weights, o PretrainOptions) (*Pretrainer, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	list := PretrainParameters(cfg)
	if err := w.Check("initial weights", list); err != nil {
		return nil, err
	}
	if o.Images < 1 || o.Texts < 1 {
		return nil, fmt.Errorf("pre-training with %d images and %d texts a step: each must be at least 1", o.Images, o.Texts)
	}
	flat := w.Flat(list)
	a := &arena{dev: dev}
	p := &Pretrainer{
		dev: dev, cfg: cfg, options: o, memory: a, list: list,
		params: a.floats(len(flat)), grads: a.floats(len(flat)), m1: a.floats(len(flat)), m2: a.floats(len(flat)), squared: a.doubles(1),
	}
	dev.Upload(p.params, flat)
	values, gradients := viewsOf(p.params, list), viewsOf(p.grads, list)
	p.scale, p.dscale = values(LogitScale), gradients(LogitScale)
	p.images = newImagePretraining(a, cfg, o.Images, newImageTower(values, cfg.Vision), newImageTower(gradients, cfg.Vision))
	p.texts = newTextPretraining(a, cfg, o.Texts, newTextTower(values, cfg.Text), newTextTower(gradients, cfg.Text))
	return p, nil
}

// viewsOf finds the listed tensors in a flat vector.
func viewsOf(flat kernels.Tensor, list []Parameter) lookup {
	views, at := map[string]kernels.Tensor{}, 0
	for _, p := range list {
		views[p.Name] = flat.View(at, p.Shape...)
		at += p.Len()
	}
	return func(name string) kernels.Tensor { return views[name] }
}

// Forward computes the features of images [B, 3, S, S], normalised, and of captions, each of the context's length.
func (p *Pretrainer) Forward(images []float32, tokens [][]int32) (PretrainFeatures, error) {
	if side := p.cfg.Vision.Image; len(images) != p.options.Images*3*side*side {
		return PretrainFeatures{}, fmt.Errorf("pre-training: %d values of images, but %d images of %d pixels a side are wanted", len(images), p.options.Images, side)
	}
	if len(tokens) < 1 || len(tokens) > p.options.Texts {
		return PretrainFeatures{}, fmt.Errorf("pre-training: %d texts, but 1 to %d are wanted", len(tokens), p.options.Texts)
	}
	if err := checkTokens(p.cfg.Text, tokens); err != nil {
		return PretrainFeatures{}, err
	}
	p.images.forward(p.dev, images)
	p.texts.forward(p.dev, tokens)
	return p.features()
}

func (p *Pretrainer) features() (PretrainFeatures, error) {
	var scale [1]float32
	f := PretrainFeatures{}
	for _, part := range []struct {
		to   *[]float32
		from kernels.Tensor
	}{{&f.Class, p.images.class.end.out}, {&f.Patches, p.images.mean}, {&f.Texts, p.texts.pass.end.out}} {
		*part.to = make([]float32, part.from.Len())
		if err := p.dev.Download(*part.to, part.from); err != nil {
			return f, fmt.Errorf("pre-training features: %w", err)
		}
	}
	err := p.dev.Download(scale[:], p.scale)
	f.Scale = scale[0]
	return f, err
}

// Backward computes the gradient of all parameters from that of the features of the latest Forward.
func (p *Pretrainer) Backward(g PretrainFeatures) {
	p.dev.Zero(p.grads)
	p.dev.Upload(p.dscale, []float32{g.Scale})
	p.images.backward(p.dev, g.Class, g.Patches)
	p.texts.backward(p.dev, g.Texts)
}

// Apply updates the parameters at this learning rate; count is 1 at the first update. It returns the gradient's norm
// before clipping, and refuses one that is not finite.
func (p *Pretrainer) Apply(rate float64, count int) (norm float64, err error) {
	var squared [1]float64
	p.dev.SquaredNorm(p.squared, p.grads)
	if err := p.dev.Download(squared[:], p.squared); err != nil {
		return 0, fmt.Errorf("pre-training gradient: %w", err)
	}
	norm = math.Sqrt(squared[0])
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return norm, fmt.Errorf("pre-training update %d: the norm of the gradient is %v", count, norm)
	}
	o, decayed := p.options, p.decayed()
	update := func(lo, hi int, decay float64) {
		part := func(flat kernels.Tensor) kernels.Tensor { return flat.View(lo, hi-lo) }
		p.dev.AdamW(part(p.params), part(p.m1), part(p.m2), part(p.grads), p.squared, kernels.AdamW{
			Rate: rate, Beta1: o.Beta1, Beta2: o.Beta2, Epsilon: o.Epsilon, Decay: decay,
			Correction1: 1 - power(o.Beta1, count), Correction2: 1 - power(o.Beta2, count), MaxNorm: o.Clip,
		})
	}
	update(0, decayed, o.WeightDecay)
	update(decayed, p.params.Len(), 0)
	return norm, nil
}

// decayed returns how many values of the flat vectors decay.
func (p *Pretrainer) decayed() int {
	n := 0
	for _, q := range p.list {
		if len(q.Shape) >= 2 {
			n += q.Len()
		}
	}
	return n
}

// Weights waits and returns PretrainParameters.
func (p *Pretrainer) Weights() (Weights, error) { return p.read(p.params) }

func (p *Pretrainer) read(flat kernels.Tensor) (Weights, error) {
	values := make([]float32, flat.Len())
	if err := p.dev.Download(values, flat); err != nil {
		return nil, fmt.Errorf("pre-training: %w", err)
	}
	return Unflatten(values, p.list), nil
}

// PatchFeatures waits and returns the embeddings [B, G, E] of all patches of the latest Forward.
func (p *Pretrainer) PatchFeatures() ([]float32, error) {
	out := make([]float32, p.images.patches.out.Len())
	return out, p.dev.Download(out, p.images.patches.out)
}

// Normed waits and returns the rows that the projections of the latest Forward multiplied: those of the class tokens
// [B, D] and of the texts [T, W], layer norm applied.
func (p *Pretrainer) Normed() (classes, texts []float32, err error) {
	classes = make([]float32, p.images.class.end.normed.Len())
	texts = make([]float32, p.texts.pass.end.normed.Len())
	if err := p.dev.Download(classes, p.images.class.end.normed); err != nil {
		return nil, nil, err
	}
	return classes, texts, p.dev.Download(texts, p.texts.pass.end.normed)
}

// Close gives the device's memory back. The device itself stays open.
func (p *Pretrainer) Close() { p.memory.free() }
