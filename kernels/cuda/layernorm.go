//go:build cuda && cgo

package cuda

// #include "layernorm.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	layerNorm     = declare("layernorm", 256)
	layerNormGELU = declare("layernorm_gelu", 256)
	// The backward of a norm with frozen and with trained parameters.
	layerNormBackward        = declare("layernorm_backward", 256)
	layerNormBackwardTrained = declare("layernorm_backward_trained", 256)
	layerNormGELUBackward    = declare("layernorm_gelu_backward", 256)
	layerNormAddParameters   = declare("layernorm_add_parameters", 256)
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
	a := layerNormGrads(dx, dgamma, dbeta, dy, x, stats, gamma)
	if dgamma.Present() || dbeta.Present() {
		d.trainedBackward(layerNormBackwardTrained, a)
		return
	}
	launch(d, layerNormBackward, blocks(x.Rows(), 8), 0, a)
}

// LayerNormGELUBackward adds the gradients of LayerNormGELU.
func (d *device) LayerNormGELUBackward(dx, dgamma, dbeta, dy, x, stats, gamma, beta kernels.Tensor) {
	kernels.Require("LayerNormGELUBackward: beta", beta, kernels.Float32, x.Cols())
	a := layerNormGrads(dx, dgamma, dbeta, dy, x, stats, gamma)
	a.beta = pointer(beta)
	d.trainedBackward(layerNormGELUBackward, a)
}

func layerNormGrads(dx, dgamma, dbeta, dy, x, stats, gamma kernels.Tensor) *C.struct_tg_layernorm_backward {
	rows, cols := x.Rows(), x.Cols()
	kernels.RequireMatrix("LayerNormBackward: x", x, rows, cols)
	kernels.RequireMatrix("LayerNormBackward: dx", dx, rows, cols)
	kernels.RequireMatrix("LayerNormBackward: dy", dy, rows, cols)
	kernels.Require("LayerNormBackward: stats", stats, kernels.Float32, 2*rows)
	kernels.Require("LayerNormBackward: gamma", gamma, kernels.Float32, cols)
	requireOptional("LayerNormBackward: dgamma", dgamma, cols)
	requireOptional("LayerNormBackward: dbeta", dbeta, cols)
	return &C.struct_tg_layernorm_backward{
		dx: pointer(dx), dgamma: pointer(dgamma), dbeta: pointer(dbeta),
		dy: pointer(dy), x: pointer(x), stats: pointer(stats), gamma: pointer(gamma),
		rows: C.int64_t(rows), cols: C.int64_t(cols), ld_dx: C.int64_t(dx.Stride), ld_dy: C.int64_t(dy.Stride), ld_x: C.int64_t(x.Stride),
	}
}

// trainedRows is kTrainedRows of layernorm.cu.
const trainedRows = 64

// trainedBackward runs a backward kernel that adds g*xhat and g over chunks of rows, and adds up the chunks.
func (d *device) trainedBackward(k *kernel, a *C.struct_tg_layernorm_backward) {
	cols, chunks := int(a.cols), ceil(max(int(a.rows), 1), trainedRows)
	partial, release := d.scratch(2 * 4 * chunks * cols)
	defer release()
	a.partial, a.chunks = C.uint64_t(partial), C.int64_t(chunks)
	launch(d, k, grid{X: chunks}, 3*4*cols, a)
	launch(d, layerNormAddParameters, columnGrid(cols), 0, a)
}
