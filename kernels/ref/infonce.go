package ref

import (
	"math"

	"github.com/textground/textground/kernels"
)

// maxScale is the largest value of the learned logit scale (tcl-spec section 3).
const maxScale = 100

// scaleOf returns a = min(exp(logitScale), 100) and whether the minimum cut it.
func scaleOf(logitScale kernels.Tensor) (a float64, clamped bool) {
	kernels.Require("logitScale", logitScale, kernels.Float32, 1)
	a = math.Exp(float64(values(logitScale)[0]))
	return min(a, maxScale), a > maxScale
}

// ExpColumns needs no running maximum: a*S-a lies in [-200, 0].
func (d *device) ExpColumns(columns, scores, logitScale kernels.Tensor) {
	kernels.Require("ExpColumns: columns", columns, kernels.Float64, scores.Cols())
	a, _ := scaleOf(logitScale)
	sums, rows := kernels.Host[float64](columns), rowsOf(scores)
	clear(sums)
	for i := range rows.rows {
		for j, s := range rows.row(i) {
			sums[j] += math.Exp(a*float64(s) - a)
		}
	}
}

// InfoNCE is the closed form of tcl-spec section 4 with both softmaxes in float64.
func (d *device) InfoNCE(loss, dscores, dlogitScale, scores, logitScale, columns kernels.Tensor, first int, weight float32) {
	kernels.Require("InfoNCE: loss", loss, kernels.Float64, 1)
	kernels.RequireMatrix("InfoNCE: dscores", dscores, scores.Rows(), scores.Cols())
	kernels.Require("InfoNCE: dlogitScale", dlogitScale, kernels.Float32, 1)
	kernels.Require("InfoNCE: columns", columns, kernels.Float64, scores.Cols())
	a, clamped := scaleOf(logitScale)
	in, out, sums := rowsOf(scores), rowsOf(dscores), kernels.Host[float64](columns)
	share := 1 / (2 * float64(in.cols)) // 1/2N
	total, slope := 0.0, 0.0
	for i := range in.rows {
		own, rowSum := first+i, 0.0
		for _, s := range in.row(i) {
			rowSum += math.Exp(a*float64(s) - a)
		}
		total += share * (2*(a-a*float64(in.row(i)[own])) + math.Log(rowSum) + math.Log(sums[own]))
		for j, s := range in.row(i) {
			e := math.Exp(a*float64(s) - a)
			g := e/rowSum + e/sums[j] // R + Q - 2I
			if j == own {
				g -= 2
			}
			slope += share * g * a * float64(s)
			out.row(i)[j] = float32(float64(weight) * share * a * g)
		}
	}
	if clamped {
		slope = 0
	}
	kernels.Host[float64](loss)[0] = total
	values(dlogitScale)[0] = float32(float64(weight) * slope)
}
