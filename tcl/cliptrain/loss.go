package cliptrain

import (
	"math"
	"slices"

	"github.com/textground/textground/tcl"
)

// losses are the terms of one step. Total is weighted.
type losses struct{ class, patches, concepts, total float64 }

// contrast computes the loss of a step's features and their gradients: InfoNCE of the class token and of the mean patch
// against the captions, and of both against the concepts, of which an image may have several.
func contrast(f tcl.PretrainFeatures, b *batch, w Loss, embed int) (losses, tcl.PretrainFeatures) {
	n := len(b.concepts)
	class, patches, texts := newRows(f.Class, embed), newRows(f.Patches, embed), newRows(f.Texts, embed)
	captions, concepts := texts.part(0, n), texts.part(n, texts.count())
	scale := scaleOf(f)
	pairs, phrases := captionTargets(b.tokens[:n]), conceptTargets(b.concepts)

	var l losses
	var dscale float64
	term := func(images, texts rows, t targets, weight float64) float64 {
		loss, ds := symmetric(images, texts, t, scale, weight)
		dscale += ds
		return loss
	}
	l.class = term(class, captions, pairs, 1)
	l.patches = term(patches, captions, pairs, w.Patches)
	l.concepts = term(class, concepts, phrases, w.Concepts) + term(patches, concepts, phrases, w.Concepts)
	l.total = l.class + w.Patches*l.patches + w.Concepts*l.concepts
	if scale == maxScale {
		dscale = 0
	}
	return l, tcl.PretrainFeatures{Class: class.gradient(), Patches: patches.gradient(), Texts: texts.gradient(), Scale: float32(dscale)}
}

// maxScale bounds the factor of the cosines, as in CLIP.
const maxScale = 100

func scaleOf(f tcl.PretrainFeatures) float64 { return min(math.Exp(float64(f.Scale)), maxScale) }

// targets say which texts belong to which images, and which pairs count as neither right nor wrong.
type targets struct {
	right, ignored [][]bool // [images][texts]
}

// captionTargets pairs image i with caption i; other captions of the same words are ignored.
func captionTargets(tokens [][]int32) targets {
	t := targets{grid(len(tokens), len(tokens)), grid(len(tokens), len(tokens))}
	for i := range tokens {
		for j := range tokens {
			t.right[i][j] = i == j
			t.ignored[i][j] = i != j && slices.Equal(tokens[i], tokens[j])
		}
	}
	return t
}

func conceptTargets(concepts [][]bool) targets {
	return targets{concepts, grid(len(concepts), len(concepts[0]))}
}

func grid(n, m int) [][]bool {
	g := make([][]bool, n)
	for i := range g {
		g[i] = make([]bool, m)
	}
	return g
}

// symmetric returns half the mean cross entropy of every image's softmax over texts, plus half that of every text's over
// images, where several right ones share the target evenly and those without any are left out. It adds weight times the
// gradients to images and texts and returns that of the logarithm of scale.
func symmetric(images, texts rows, t targets, scale, weight float64) (loss, dscale float64) {
	n, m := images.count(), texts.count()
	scores, grads := make([]float64, n*m), make([]float64, n*m)
	for i := range n {
		for j := range m {
			scores[i*m+j] = scale * dot(images.unit(i), texts.unit(j))
		}
	}
	loss = direction{n, m, scores, grads, t, false}.crossEntropies() + direction{m, n, scores, grads, t, true}.crossEntropies()
	for i := range n {
		for j := range m {
			g := weight * grads[i*m+j]
			dscale += g * scores[i*m+j]
			addScaled(images.dunit(i), g*scale, texts.unit(j))
			addScaled(texts.dunit(j), g*scale, images.unit(i))
		}
	}
	return loss, dscale
}

// direction is one reading of the scores [images][texts]: n softmaxes over m scores, those of images or, transposed, those
// of texts.
type direction struct {
	n, m          int
	scores, grads []float64
	targets       targets
	transposed    bool
}

// place returns image and text of score j of softmax i, and where it lies.
func (d direction) place(i, j int) (image, text, at int) {
	if d.transposed {
		return j, i, j*d.n + i
	}
	return i, j, i*d.m + j
}

func (d direction) right(i, j int) bool {
	image, text, _ := d.place(i, j)
	return d.targets.right[image][text]
}

// score returns score j of softmax i, minus infinity where it is ignored.
func (d direction) score(i, j int) float64 {
	image, text, at := d.place(i, j)
	if d.targets.ignored[image][text] {
		return math.Inf(-1)
	}
	return d.scores[at]
}

// rights counts the right answers of softmax i.
func (d direction) rights(i int) int {
	n := 0
	for j := range d.m {
		if d.right(i, j) {
			n++
		}
	}
	return n
}

// crossEntropies returns half the mean cross entropy of the softmaxes that have a right answer, and adds to grads.
func (d direction) crossEntropies() float64 {
	counted := 0
	for i := range d.n {
		if d.rights(i) > 0 {
			counted++
		}
	}
	loss := 0.0
	for i := range d.n {
		if rights := d.rights(i); rights > 0 {
			loss += d.crossEntropy(i, 1/float64(rights), 0.5/float64(counted))
		}
	}
	return loss
}

// crossEntropy returns weight times that of softmax i, whose right answers have the target share each, and adds to grads.
func (d direction) crossEntropy(i int, share, weight float64) float64 {
	top, sum := math.Inf(-1), 0.0
	for j := range d.m {
		top = max(top, d.score(i, j))
	}
	for j := range d.m {
		sum += math.Exp(d.score(i, j) - top)
	}
	loss := 0.0
	for j := range d.m {
		s := d.score(i, j) - top
		p := math.Exp(s) / sum
		if d.right(i, j) {
			loss += weight * share * (math.Log(sum) - s)
			p -= share
		}
		_, _, at := d.place(i, j)
		d.grads[at] += weight * p
	}
	return loss
}

// rows are vectors of one length, normalised, with room for the gradients of the normalised ones.
type rows struct {
	width         int
	units, dunits []float64
	norms         []float64
}

// minNorm keeps the zero vector from being divided by zero.
const minNorm = 1e-12

func newRows(values []float32, width int) rows {
	r := rows{width, make([]float64, len(values)), make([]float64, len(values)), make([]float64, len(values)/width)}
	for i, v := range values {
		r.units[i] = float64(v)
	}
	for i := range r.norms {
		u := r.unit(i)
		r.norms[i] = max(math.Sqrt(dot(u, u)), minNorm)
		for j := range u {
			u[j] /= r.norms[i]
		}
	}
	return r
}

func (r rows) count() int            { return len(r.norms) }
func (r rows) unit(i int) []float64  { return r.units[i*r.width : (i+1)*r.width] }
func (r rows) dunit(i int) []float64 { return r.dunits[i*r.width : (i+1)*r.width] }

// part shares rows [from, to).
func (r rows) part(from, to int) rows {
	return rows{r.width, r.units[from*r.width : to*r.width], r.dunits[from*r.width : to*r.width], r.norms[from:to]}
}

// gradient goes back through the normalisation: (g - u<u, g>)/|x|.
func (r rows) gradient() []float32 {
	out := make([]float32, len(r.units))
	for i, norm := range r.norms {
		u, g := r.unit(i), r.dunit(i)
		along := dot(u, g)
		for j := range u {
			out[i*r.width+j] = float32((g[j] - u[j]*along) / norm)
		}
	}
	return out
}

func dot(x, y []float64) float64 {
	sum := 0.0
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

func addScaled(dst []float64, factor float64, x []float64) {
	for i, v := range x {
		dst[i] += factor * v
	}
}
