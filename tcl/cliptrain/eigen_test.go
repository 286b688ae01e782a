package cliptrain

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/textground/textground/internal/philox"
)

func TestEigenvectorsRebuildTheMatrix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "size")
		a := newMatrix(n)
		for i := range n {
			for j := range i + 1 {
				v := rapid.Float64Range(-3, 3).Draw(t, "value")
				a.set(i, j, v)
				a.set(j, i, v)
			}
		}
		copied := matrix{n, append([]float64(nil), a.values...)}
		values, vectors := eigen(copied)
		for i := range n {
			if i > 0 && values[i] > values[i-1] {
				t.Errorf("eigenvalues %v are not in order", values)
			}
			for j := range n {
				sum, product := 0.0, dot(vectors.row(i), vectors.row(j))
				for k, v := range values {
					sum += v * vectors.at(k, i) * vectors.at(k, j)
				}
				if math.Abs(sum-a.at(i, j)) > 1e-9 {
					t.Errorf("element %d, %d is %v, rebuilt %v", i, j, a.at(i, j), sum)
				}
				if want := map[bool]float64{true: 1}[i == j]; math.Abs(product-want) > 1e-9 {
					t.Errorf("eigenvectors %d and %d have the product %v", i, j, product)
				}
			}
		}
	})
}

func TestRotationsAreOrthogonal(t *testing.T) {
	m := rotation(20, philox.NewKey(6, philox.Test).Stream(0, 0, 0))
	for i := range m.n {
		for j := range m.n {
			if want := map[bool]float64{true: 1}[i == j]; math.Abs(dot(m.row(i), m.row(j))-want) > 1e-12 {
				t.Errorf("rows %d and %d have the product %v", i, j, dot(m.row(i), m.row(j)))
			}
		}
	}
}
