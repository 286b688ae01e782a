//go:build cgo

package cpu

// #include "cosine.h"
import "C"

import "github.com/textground/textground/kernels"

// CosineScores compares each row of x with each text.
func (d *device) CosineScores(scores, x, texts kernels.Tensor) {
	rows, count, width := x.Rows(), texts.Rows(), x.Cols()
	kernels.RequireMatrix("CosineScores: x", x, rows, width)
	kernels.Require("CosineScores: scores", scores, kernels.Float32, rows*count)
	kernels.Require("CosineScores: texts", texts, kernels.Float32, count*width)
	C.tg_cosine(d.pool.c, &C.struct_tg_cosine{
		rows: C.long(rows), texts: C.long(count), width: C.long(width), x_stride: C.long(x.Stride),
		scores: floats(scores), x: floats(x), t: floats(texts),
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
	C.tg_cosine_backward(d.pool.c, &C.struct_tg_cosine_backward{
		rows: C.long(rows), texts: C.long(count), width: C.long(width), x_stride: C.long(x.Stride), dx_stride: C.long(dx.Stride),
		dx: floats(dx), dscores: floats(dscores), x: floats(x), t: floats(texts),
	})
}
