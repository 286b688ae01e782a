//go:build cgo

package cpu

// #include "layernorm.h"
import "C"

import "github.com/textground/textground/kernels"

// LayerNorm normalises the rows of x.
func (d *device) LayerNorm(y, stats, x, gamma, beta kernels.Tensor) {
	d.layerNorm(y, stats, x, gamma, beta, 0)
}

// LayerNormGELU is LayerNorm followed by the exact GELU.
func (d *device) LayerNormGELU(y, stats, x, gamma, beta kernels.Tensor) {
	d.layerNorm(y, stats, x, gamma, beta, 1)
}

func (d *device) layerNorm(y, stats, x, gamma, beta kernels.Tensor, gelu C.int) {
	rows, cols := x.Rows(), x.Cols()
	kernels.RequireMatrix("LayerNorm: x", x, rows, cols)
	kernels.RequireMatrix("LayerNorm: y", y, rows, cols)
	kernels.Require("LayerNorm: gamma", gamma, kernels.Float32, cols)
	kernels.Require("LayerNorm: beta", beta, kernels.Float32, cols)
	if stats.Present() {
		kernels.Require("LayerNorm: stats", stats, kernels.Float32, 2*rows)
	}
	C.tg_layernorm(d.pool.c, &C.struct_tg_layernorm{
		rows: C.long(rows), cols: C.long(cols), y_stride: C.long(y.Stride), x_stride: C.long(x.Stride), gelu: gelu,
		y: floats(y), stats: floats(stats), x: floats(x), gamma: floats(gamma), beta: floats(beta),
	})
}

// LayerNormBackward adds the gradients of LayerNorm.
func (d *device) LayerNormBackward(dx, dgamma, dbeta, dy, x, stats, gamma kernels.Tensor) {
	d.layerNormBackward(dx, dgamma, dbeta, dy, x, stats, gamma, kernels.Tensor{})
}

// LayerNormGELUBackward adds the gradients of LayerNormGELU.
func (d *device) LayerNormGELUBackward(dx, dgamma, dbeta, dy, x, stats, gamma, beta kernels.Tensor) {
	kernels.Require("LayerNormGELUBackward: beta", beta, kernels.Float32, x.Cols())
	d.layerNormBackward(dx, dgamma, dbeta, dy, x, stats, gamma, beta)
}

// layerNormBackward takes beta when GELU is behind the norm.
func (d *device) layerNormBackward(dx, dgamma, dbeta, dy, x, stats, gamma, beta kernels.Tensor) {
	rows, cols := x.Rows(), x.Cols()
	kernels.RequireMatrix("LayerNormBackward: x", x, rows, cols)
	kernels.RequireMatrix("LayerNormBackward: dx", dx, rows, cols)
	kernels.RequireMatrix("LayerNormBackward: dy", dy, rows, cols)
	kernels.Require("LayerNormBackward: stats", stats, kernels.Float32, 2*rows)
	kernels.Require("LayerNormBackward: gamma", gamma, kernels.Float32, cols)
	for _, optional := range []kernels.Tensor{dgamma, dbeta} {
		if optional.Present() {
			kernels.Require("LayerNormBackward: dgamma or dbeta", optional, kernels.Float32, cols)
		}
	}
	a := C.struct_tg_layernorm_backward{
		rows: C.long(rows), cols: C.long(cols), dx_stride: C.long(dx.Stride), dy_stride: C.long(dy.Stride), x_stride: C.long(x.Stride),
		dx: floats(dx), dgamma: floats(dgamma), dbeta: floats(dbeta),
		dy: floats(dy), x: floats(x), stats: floats(stats), gamma: floats(gamma), beta: floats(beta),
	}
	if beta.Present() {
		a.gelu = 1
	}
	C.tg_layernorm_backward(d.pool.c, &a)
	d.countScratch()
}
