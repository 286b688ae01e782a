package cliptrain

import (
	"math"
	"slices"
	"testing"

	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/tcl"
)

func normals(r *philox.Stream, n int) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(r.Normal())
	}
	return values
}

// threePairs has two captions of the same words and one image without a concept.
func threePairs() *batch {
	return &batch{
		tokens:   [][]int32{{1, 2}, {1, 3}, {1, 2}, {4, 0}, {5, 0}},
		concepts: [][]bool{{true, true}, {false, false}, {true, false}},
	}
}

func TestLossGradientsAgreeWithFiniteDifferences(t *testing.T) {
	const embed, seed = 4, 5
	t.Logf("seed %d", seed)
	r := philox.NewKey(seed, philox.Test).Stream(0, 0, 0)
	f := tcl.PretrainFeatures{Class: normals(r, 3*embed), Patches: normals(r, 3*embed), Texts: normals(r, 5*embed), Scale: 1.2}
	weights, b := Loss{Patches: 0.8, Concepts: 0.6}, threePairs()
	_, grads := contrast(f, b, weights, embed)

	const reach = 1e-3
	slope := func(value *float32) float64 {
		at := *value
		loss := func(v float32) float64 {
			*value = v
			l, _ := contrast(f, b, weights, embed)
			*value = at
			return l.total
		}
		return (loss(at+reach) - loss(at-reach)) / (float64(at+reach) - float64(at-reach))
	}
	check := func(what string, i int, want float64, value *float32) {
		if got := slope(value); math.Abs(got-want) > 1e-4 {
			t.Errorf("%s %d: slope %.6f, gradient says %.6f", what, i, got, want)
		}
	}
	for _, part := range []struct {
		what          string
		values, grads []float32
	}{{"class", f.Class, grads.Class}, {"patches", f.Patches, grads.Patches}, {"texts", f.Texts, grads.Texts}} {
		for i := range part.values {
			check(part.what, i, float64(part.grads[i]), &part.values[i])
		}
	}
	check("scale", 0, float64(grads.Scale), &f.Scale)
}

func TestIdenticalCaptionsAreNoNegatives(t *testing.T) {
	b := threePairs()
	if got := captionTargets(b.tokens[:3]).ignored; !slices.Equal(got[0], []bool{false, false, true}) || !slices.Equal(got[1], []bool{false, false, false}) {
		t.Errorf("ignored pairs %v", got)
	}
	// With every caption the same, nothing is left to be told apart.
	b.tokens = [][]int32{{1, 2}, {1, 2}, {1, 2}, {4, 0}, {5, 0}}
	f := tcl.PretrainFeatures{Class: []float32{1, 0, 0, 1, 1, 1}, Patches: []float32{1, 0, 0, 1, 1, 1}, Texts: []float32{1, 0, 0, 1, 1, 1, 1, 2, 2, 1}}
	if l, _ := contrast(f, b, Loss{Patches: 1}, 2); l.class != 0 || l.patches != 0 {
		t.Errorf("losses %v, want 0 against no negatives", l)
	}
}

func TestAScaleAtItsBoundGetsNoGradient(t *testing.T) {
	f := tcl.PretrainFeatures{Class: []float32{1, 0, 0, 1, 1, 1}, Patches: []float32{1, 0, 0, 1, 1, 1}, Texts: []float32{1, 0, 0, 1, 1, 1, 1, 2, 2, 1}, Scale: 10}
	if _, g := contrast(f, threePairs(), Loss{}, 2); g.Scale != 0 {
		t.Errorf("gradient of the scale %v, want 0", g.Scale)
	}
}
