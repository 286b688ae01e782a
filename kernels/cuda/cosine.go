//go:build cuda && cgo

package cuda

// #include "cosine.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	inverseNorms   = declare("inverse_norms", 256)
	cosine         = declare("cosine", 256)
	cosineBackward = declare("cosine_backward", 256)
)

// inverseNorms writes 1/max(|x|, floor) of the rows of x to inverse.
func (d *device) inverseNorms(inverse C.uint64_t, x kernels.Tensor) {
	launch(d, inverseNorms, blocks(x.Rows(), 8), 0, &C.struct_tg_inverse_norms{
		inverse: inverse, x: pointer(x), rows: C.int64_t(x.Rows()), width: C.int64_t(x.Cols()), ld: C.int64_t(x.Stride),
	})
}

// CosineScores compares each row of x with each text.
func (d *device) CosineScores(scores, x, texts kernels.Tensor) {
	rows, count, width := x.Rows(), texts.Rows(), x.Cols()
	kernels.RequireMatrix("CosineScores: x", x, rows, width)
	kernels.Require("CosineScores: scores", scores, kernels.Float32, rows*count)
	kernels.Require("CosineScores: texts", texts, kernels.Float32, count*width)
	inverse, release := d.scratch(4 * count)
	defer release()
	d.inverseNorms(C.uint64_t(inverse), texts)
	launch(d, cosine, grid{X: blocks(count, 8).X, Y: min(max(rows, 1), 65535)}, 0, &C.struct_tg_cosine{
		scores: pointer(scores), x: pointer(x), t: pointer(texts), t_inverse: C.uint64_t(inverse),
		rows: C.int64_t(rows), texts: C.int64_t(count), width: C.int64_t(width), ld_x: C.int64_t(x.Stride),
	})
}

// CosineScoresBackward projects on x itself, which needs no scores.
func (d *device) CosineScoresBackward(dx, dscores, scores, x, texts kernels.Tensor) {
	rows, count, width := x.Rows(), texts.Rows(), x.Cols()
	kernels.RequireMatrix("CosineScoresBackward: dx", dx, rows, width)
	kernels.RequireMatrix("CosineScoresBackward: x", x, rows, width)
	kernels.Require("CosineScoresBackward: dscores", dscores, kernels.Float32, rows*count)
	kernels.Require("CosineScoresBackward: scores", scores, kernels.Float32, rows*count)
	kernels.Require("CosineScoresBackward: texts", texts, kernels.Float32, count*width)
	inverse, release := d.scratch(4 * count)
	defer release()
	d.inverseNorms(C.uint64_t(inverse), texts)
	launch(d, cosineBackward, grid{X: max(rows, 1)}, 0, &C.struct_tg_cosine_backward{
		dx: pointer(dx), dscores: pointer(dscores), x: pointer(x), t: pointer(texts), t_inverse: C.uint64_t(inverse),
		rows: C.int64_t(rows), texts: C.int64_t(count), width: C.int64_t(width), ld_x: C.int64_t(x.Stride), ld_dx: C.int64_t(dx.Stride),
	})
}
