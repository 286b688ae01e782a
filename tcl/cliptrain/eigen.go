package cliptrain

import (
	"cmp"
	"math"
	"slices"

	"github.com/textground/textground/internal/philox"
)

// matrix is square and row-major.
type matrix struct {
	n      int
	values []float64
}

func newMatrix(n int) matrix { return matrix{n, make([]float64, n*n)} }

func (m matrix) row(i int) []float64     { return m.values[i*m.n : (i+1)*m.n] }
func (m matrix) at(i, j int) float64     { return m.values[i*m.n+j] }
func (m matrix) set(i, j int, v float64) { m.values[i*m.n+j] = v }

// eigen returns the eigenvalues of a symmetric matrix from the largest to the smallest and its eigenvectors as rows, by
// Jacobi's cyclic rotations. a is overwritten.
func eigen(a matrix) (values []float64, vectors matrix) {
	v := newMatrix(a.n)
	for i := range a.n {
		v.set(i, i, 1)
	}
	limit := 1e-22 * dot(a.values, a.values)
	for range 60 {
		if offDiagonal(a) <= limit {
			break
		}
		for p := range a.n {
			for q := p + 1; q < a.n; q++ {
				rotate(a, v, p, q)
			}
		}
	}
	order := make([]int, a.n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(a.at(j, j), a.at(i, i)) })
	vectors = newMatrix(a.n)
	for i, from := range order {
		values = append(values, a.at(from, from))
		copy(vectors.row(i), v.row(from))
	}
	return values, vectors
}

// offDiagonal is the sum of squares that the rotations remove.
func offDiagonal(a matrix) float64 {
	sum := 0.0
	for p := range a.n {
		for q := range a.n {
			if p != q {
				sum += a.at(p, q) * a.at(p, q)
			}
		}
	}
	return sum
}

// rotate turns the plane of axes p and q so that a[p, q] becomes 0; the rows of v turn along.
func rotate(a, v matrix, p, q int) {
	if a.at(p, q) == 0 {
		return
	}
	theta := (a.at(q, q) - a.at(p, p)) / (2 * a.at(p, q))
	t := 1 / (math.Abs(theta) + math.Sqrt(theta*theta+1))
	if theta < 0 {
		t = -t
	}
	c := 1 / math.Sqrt(t*t+1)
	s := t * c
	for k := range a.n {
		x, y := a.at(k, p), a.at(k, q)
		a.set(k, p, c*x-s*y)
		a.set(k, q, s*x+c*y)
	}
	turn(a.row(p), a.row(q), c, s)
	turn(v.row(p), v.row(q), c, s)
}

func turn(x, y []float64, c, s float64) {
	for k := range x {
		x[k], y[k] = c*x[k]-s*y[k], s*x[k]+c*y[k]
	}
}

// rotation draws an orthogonal matrix: normal rows, each freed of those before it.
func rotation(n int, r *philox.Stream) matrix {
	m := newMatrix(n)
	for i := range m.values {
		m.values[i] = r.Normal()
	}
	for i := range n {
		row := m.row(i)
		for range 2 { // once more for what rounding left
			for j := range i {
				addScaled(row, -dot(row, m.row(j)), m.row(j))
			}
		}
		length := math.Sqrt(dot(row, row))
		for k := range row {
			row[k] /= length
		}
	}
	return m
}
