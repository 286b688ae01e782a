package ref

import (
	"math"

	"github.com/textground/textground/kernels"
)

// floor is the smallest norm that a vector is divided by (tcl-spec section 2.6).
const floor = 1e-6

// unit is a normalised vector x/max(|x|, floor) with what its backward needs.
type unit struct {
	hat  []float64
	norm float64 // |x|
}

func newUnit(x []float64) unit {
	u := unit{hat: make([]float64, len(x)), norm: math.Sqrt(dot(x, x))}
	scale := 1 / max(u.norm, floor)
	for i, v := range x {
		u.hat[i] = v * scale
	}
	return u
}

// back turns the gradient of hat into that of x, in place: (g - <hat, g> hat)/|x|, without the projection below the floor,
// where the divisor is a constant.
func (u unit) back(g []float64) {
	along := dot(u.hat, g)
	if u.norm <= floor {
		along = 0
	}
	scale := 1 / max(u.norm, floor)
	for i := range g {
		g[i] = (g[i] - along*u.hat[i]) * scale
	}
}

// units normalises every row.
func units(x matrix[float32]) []unit {
	all := make([]unit, x.rows)
	parallel(x.rows, func(r int) { all[r] = newUnit(widen(x.row(r))) })
	return all
}

// CosineScores is the plain formula.
func (d *device) CosineScores(scores, x, texts kernels.Tensor) {
	kernels.RequireMatrix("CosineScores: scores", scores, x.Rows(), texts.Rows())
	kernels.RequireMatrix("CosineScores: texts", texts, texts.Rows(), x.Cols())
	out, left, right := rowsOf(scores), units(rowsOf(x)), units(rowsOf(texts))
	parallel(out.rows, func(i int) {
		row := out.row(i)
		for j := range row {
			row[j] = float32(dot(left[i].hat, right[j].hat))
		}
	})
}

// CosineScoresBackward sends sum_j dS_ij that_j through the normalisation; scores are not needed for that.
func (d *device) CosineScoresBackward(dx, dscores, scores, x, texts kernels.Tensor) {
	kernels.RequireMatrix("CosineScoresBackward: dx", dx, x.Rows(), x.Cols())
	kernels.RequireMatrix("CosineScoresBackward: dscores", dscores, x.Rows(), texts.Rows())
	kernels.RequireMatrix("CosineScoresBackward: scores", scores, x.Rows(), texts.Rows())
	out, grad, left, right := rowsOf(dx), rowsOf(dscores), units(rowsOf(x)), units(rowsOf(texts))
	parallel(out.rows, func(i int) {
		g := make([]float64, out.cols)
		for j, ds := range grad.row(i) {
			axpy(g, float64(ds), right[j].hat)
		}
		left[i].back(g)
		store(out.row(i), g)
	})
}

// store rounds x into dst.
func store(dst []float32, x []float64) {
	for i, v := range x {
		dst[i] = float32(v)
	}
}
