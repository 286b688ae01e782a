package tcl

import (
	"math"
	"testing"

	"github.com/textground/textground/internal/dense"
)

// A linear function of all features: its gradient passes through every weight, and its coefficients are the gradients of
// the features.
func featuresLoss(f, g PretrainFeatures) float64 {
	sum := float64(f.Scale) * float64(g.Scale)
	for _, pair := range [][2][]float32{{f.Class, g.Class}, {f.Patches, g.Patches}, {f.Texts, g.Texts}} {
		for i, v := range pair[0] {
			sum += float64(v) * float64(pair[1][i])
		}
	}
	return sum
}

func TestPretrainingGradientsAgreeWithFiniteDifferences(t *testing.T) {
	withEachActivation(t, micro, pretrainingGradients)
}

func pretrainingGradients(t *testing.T, cfg Config) {
	d := newDraws(t, 21)
	weights := d.weights(PretrainParameters(micro))
	const images = 2
	tokens := [][]int32{{14, 3, 4, 15, 0, 0}, {14, 5, 15, 0, 0, 0}, {14, 3, 6, 7, 15, 0}}
	pixels := d.around(images*3*micro.Vision.Image*micro.Vision.Image, 0, 1)
	e := micro.Vision.Embed
	coefficients := PretrainFeatures{
		Class: d.around(images*e, 0, 1), Patches: d.around(images*e, 0, 1), Texts: d.around(len(tokens)*e, 0, 1), Scale: 0.7,
	}
	options := PretrainOptions{Images: images, Texts: 4, Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6, Clip: 1}
	dev := open(t, "ref", 1)
	forward := func(w Weights) (*Pretrainer, float64) {
		p, err := NewPretrainer(dev, cfg, w, options)
		if err != nil {
			t.Fatal(err)
		}
		f, err := p.Forward(pixels, tokens)
		if err != nil {
			t.Fatal(err)
		}
		return p, featuresLoss(f, coefficients)
	}
	p, _ := forward(weights)
	for range 2 { // the second time everything in memory is used
		p.Backward(coefficients)
	}
	grads, err := p.read(p.grads)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range PretrainParameters(micro) {
		own := widened(grads.Values(q.Name))
		direction := slanted(own, d.around(q.Len(), 0, 1))
		want, length := along(own, direction)
		moved := func(sign float64) float64 {
			const reach = 2e-3
			w := Weights{}
			for name, v := range weights {
				w[name] = v
			}
			values := append([]float32(nil), weights.Values(q.Name)...)
			for i, x := range direction {
				values[i] += float32(sign * reach * x / max(length, 1e-30))
			}
			w[q.Name] = dense.Of(values, q.Shape...)
			p, loss := forward(w)
			p.Close()
			return loss / (2 * reach)
		}
		got := moved(1) - moved(-1)
		if math.Abs(got-want) > 2e-3+0.02*math.Abs(want) {
			t.Errorf("%s: slope %.6f, gradient says %.6f", q.Name, got, want)
		}
	}
}
