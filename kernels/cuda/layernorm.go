//go:build cuda && cgo

package cuda

// #include "layernorm.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	layerNorm     = declare("layernorm", 256)
	layerNormGELU = declare("layernorm_gelu", 256)
	// A norm's backward: dx, and the sums for gamma and beta.
	layerNormBackward       = declare("layernorm_backward", 256)
	layerNormGELUBackward   = declare("layernorm_gelu_backward", 256)
	layerNormParameters     = declare("layernorm_parameters", 256)
	layerNormGELUParameters = declare("layernorm_gelu_parameters", 256)
	layerNormAddParameters  = declare("layernorm_add_parameters", 256)
)

// LayerNorm normalises the rows of x.
func (d *device) LayerNorm(y, stats, x, gamma, beta kernels.Tensor) {
	d.layerNorm(layerNorm, y, stats, x, gamma, beta)
}

// LayerNormGELU is LayerNorm followed by the exact GELU.
func (d *device) LayerNormGELU(y, stats, x, gamma, beta kernels.Tensor) {
	d.layerNorm(layerNormGELU, y, stats, x, gamma, beta)
}

func (d *device) layerNorm(k *kernel, y, stats, x, gamma, beta kernels.Tensor) {
	rows, cols := x.Rows(), x.Cols()
	kernels.RequireMatrix("LayerNorm: x", x, rows, cols)
	kernels.RequireMatrix("LayerNorm: y", y, rows, cols)
	kernels.Require("LayerNorm: gamma", gamma, kernels.Float32, cols)
	kernels.Require("LayerNorm: beta", beta, kernels.Float32, cols)
	requireOptional("LayerNorm: stats", stats, 2*rows)
	launch(d, k, blocks(rows, 8), 0, &C.struct_tg_layernorm{
		y: pointer(y), stats: pointer(stats), x: pointer(x), gamma: pointer(gamma), beta: pointer(beta),
		rows: C.int64_t(rows), cols: C.int64_t(cols), ld_y: C.int64_t(y.Stride), ld_x: C.int64_t(x.Stride),
	})
}

// LayerNormBackward adds the gradients of LayerNorm.
func (d *device) LayerNormBackward(dx, dgamma, dbeta, dy, x, stats, gamma kernels.Tensor) {
	d.layerNormBackward(layerNormBackward, layerNormParameters, dx, dgamma, dbeta, dy, x, stats, gamma, kernels.Tensor{})
}

// LayerNormGELUBackward adds the gradients of LayerNormGELU.
func (d *device) LayerNormGELUBackward(dx, dgamma, dbeta, dy, x, stats, gamma, beta kernels.Tensor) {
	kernels.Require("LayerNormGELUBackward: beta", beta, kernels.Float32, x.Cols())
	d.layerNormBackward(layerNormGELUBackward, layerNormGELUParameters, dx, dgamma, dbeta, dy, x, stats, gamma, beta)
}

func (d *device) layerNormBackward(input, parameters *kernel, dx, dgamma, dbeta, dy, x, stats, gamma, beta kernels.Tensor) {
	rows, cols := x.Rows(), x.Cols()
	kernels.RequireMatrix("LayerNormBackward: x", x, rows, cols)
	kernels.RequireMatrix("LayerNormBackward: dx", dx, rows, cols)
	kernels.RequireMatrix("LayerNormBackward: dy", dy, rows, cols)
	kernels.Require("LayerNormBackward: stats", stats, kernels.Float32, 2*rows)
	kernels.Require("LayerNormBackward: gamma", gamma, kernels.Float32, cols)
	requireOptional("LayerNormBackward: dgamma", dgamma, cols)
	requireOptional("LayerNormBackward: dbeta", dbeta, cols)
	g := chunkGrid(rows, cols)
	a := &C.struct_tg_layernorm_backward{
		dx: pointer(dx), dgamma: pointer(dgamma), dbeta: pointer(dbeta),
		dy: pointer(dy), x: pointer(x), stats: pointer(stats), gamma: pointer(gamma), beta: pointer(beta),
		rows: C.int64_t(rows), cols: C.int64_t(cols), ld_dx: C.int64_t(dx.Stride), ld_dy: C.int64_t(dy.Stride), ld_x: C.int64_t(x.Stride),
		chunks: C.int64_t(g.Y),
	}
	launch(d, input, blocks(rows, 8), 0, a)
	if !dgamma.Present() && !dbeta.Present() {
		return
	}
	partial, release := d.scratch(2 * 4 * g.Y * cols)
	defer release()
	a.partial = C.uint64_t(partial)
	launch(d, parameters, g, 0, a)
	launch(d, layerNormAddParameters, blocks(cols, 256), 0, a)
}
