package ref

import (
	"math"

	"github.com/textground/textground/kernels"
)

// epsilon is added to the variance of every layer norm.
const epsilon = 1e-5

// LayerNorm normalises rows with the biased variance.
func (d *device) LayerNorm(y, stats, x, gamma, beta kernels.Tensor) {
	normalise(y, stats, x, gamma, beta, func(z float64) float64 { return z })
}

// LayerNormGELU is LayerNorm followed by GELU.
func (d *device) LayerNormGELU(y, stats, x, gamma, beta kernels.Tensor) {
	normalise(y, stats, x, gamma, beta, gelu)
}

// LayerNormBackward is the textbook form.
func (d *device) LayerNormBackward(dx, dgamma, dbeta, dy, x, stats, gamma kernels.Tensor) {
	one := func(float64) float64 { return 1 }
	normaliseBackward(dx, dgamma, dbeta, dy, x, stats, gamma, make([]float32, x.Cols()), one)
}

// LayerNormGELUBackward multiplies dy by the slope of GELU first.
func (d *device) LayerNormGELUBackward(dx, dgamma, dbeta, dy, x, stats, gamma, beta kernels.Tensor) {
	normaliseBackward(dx, dgamma, dbeta, dy, x, stats, gamma, values(beta), geluSlope)
}

func normalise(y, stats, x, gamma, beta kernels.Tensor, activation func(float64) float64) {
	kernels.RequireMatrix("LayerNorm: y", y, x.Rows(), x.Cols())
	kernels.Require("LayerNorm: gamma", gamma, kernels.Float32, x.Cols())
	kernels.Require("LayerNorm: beta", beta, kernels.Float32, x.Cols())
	out, in, scale, shift, moments := rowsOf(y), rowsOf(x), values(gamma), values(beta), statsOf(stats, x.Rows())
	parallel(in.rows, func(r int) {
		row := in.row(r)
		mean, inverse := momentsOf(row)
		for c, v := range row {
			z := (float64(v)-mean)*inverse*float64(scale[c]) + float64(shift[c])
			out.row(r)[c] = float32(activation(z))
		}
		if moments != nil {
			moments[2*r], moments[2*r+1] = float32(mean), float32(inverse)
		}
	})
}

func statsOf(stats kernels.Tensor, rows int) []float32 {
	if stats.Present() {
		kernels.Require("LayerNorm: stats", stats, kernels.Float32, 2*rows)
	}
	return values(stats)
}

// momentsOf returns the mean and 1/std of a row.
func momentsOf(x []float32) (mean, inverse float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += float64(v) / n
	}
	variance := 0.0
	for _, v := range x {
		variance += (float64(v) - mean) * (float64(v) - mean) / n
	}
	return mean, 1 / math.Sqrt(variance+epsilon)
}

// normaliseBackward computes, with xhat = (x-mean)/std and g = dy*slope(gamma*xhat+beta):
// dx += (g*gamma - mean(g*gamma) - xhat*mean(g*gamma*xhat))/std, dgamma += sum_rows g*xhat, dbeta += sum_rows g.
func normaliseBackward(dx, dgamma, dbeta, dy, x, stats, gamma kernels.Tensor, beta []float32, slope func(float64) float64) {
	kernels.RequireMatrix("LayerNormBackward: dx", dx, x.Rows(), x.Cols())
	kernels.RequireMatrix("LayerNormBackward: dy", dy, x.Rows(), x.Cols())
	kernels.Require("LayerNormBackward: stats", stats, kernels.Float32, 2*x.Rows())
	kernels.Require("LayerNormBackward: gamma", gamma, kernels.Float32, x.Cols())
	out, grad, in, scale, moments := rowsOf(dx), rowsOf(dy), rowsOf(x), values(gamma), values(stats)
	n := float64(in.cols)
	gradOf := func(r, c int) (xhat, g float64) {
		xhat = (float64(in.row(r)[c]) - float64(moments[2*r])) * float64(moments[2*r+1])
		return xhat, float64(grad.row(r)[c]) * slope(xhat*float64(scale[c])+float64(beta[c]))
	}
	parallel(in.rows, func(r int) {
		xhats, inner := make([]float64, in.cols), make([]float64, in.cols)
		mean, along := 0.0, 0.0
		for c := range in.cols {
			xhat, g := gradOf(r, c)
			xhats[c], inner[c] = xhat, g*float64(scale[c])
			mean += inner[c] / n
			along += inner[c] * xhat / n
		}
		for c, g := range inner {
			out.row(r)[c] += float32((g - mean - xhats[c]*along) * float64(moments[2*r+1]))
		}
	})
	if !dgamma.Present() && !dbeta.Present() {
		return
	}
	parallel(in.cols, func(c int) {
		sumGamma, sumBeta := 0.0, 0.0
		for r := range in.rows {
			xhat, g := gradOf(r, c)
			sumGamma += g * xhat
			sumBeta += g
		}
		if dgamma.Present() {
			values(dgamma)[c] += float32(sumGamma)
		}
		if dbeta.Present() {
			values(dbeta)[c] += float32(sumBeta)
		}
	})
}
