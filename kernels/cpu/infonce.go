//go:build cgo

package cpu

// #include "infonce.h"
import "C"

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

// ExpColumns adds the exponentials of each column.
func (d *device) ExpColumns(columns, scores, logitScale kernels.Tensor) {
	rows, texts := scores.Rows(), scores.Cols()
	kernels.Require("ExpColumns: columns", columns, kernels.Float64, texts)
	kernels.Require("ExpColumns: scores", scores, kernels.Float32, rows*texts)
	kernels.Require("ExpColumns: logitScale", logitScale, kernels.Float32, 1)
	C.tg_exp_columns(d.pool.c, &C.struct_tg_exp_columns{
		rows: C.long(rows), texts: C.long(texts), columns: doubles(columns), scores: floats(scores), logit_scale: floats(logitScale),
	})
}

// InfoNCE computes this lane's share of the loss and its gradients.
func (d *device) InfoNCE(loss, dscores, dlogitScale, scores, logitScale, columns kernels.Tensor, first int, weight float32) {
	rows, texts := scores.Rows(), scores.Cols()
	kernels.Require("InfoNCE: loss", loss, kernels.Float64, 1)
	kernels.Require("InfoNCE: dscores", dscores, kernels.Float32, rows*texts)
	kernels.Require("InfoNCE: dlogitScale", dlogitScale, kernels.Float32, 1)
	kernels.Require("InfoNCE: scores", scores, kernels.Float32, rows*texts)
	kernels.Require("InfoNCE: logitScale", logitScale, kernels.Float32, 1)
	kernels.Require("InfoNCE: columns", columns, kernels.Float64, texts)
	if first < 0 || first+rows > texts {
		panic(fmt.Sprintf("cpu: InfoNCE: %d images belong to texts from %d of %d", rows, first, texts))
	}
	C.tg_infonce(d.pool.c, &C.struct_tg_infonce{
		rows: C.long(rows), texts: C.long(texts), first: C.long(first), loss: doubles(loss), dscores: floats(dscores),
		dlogit_scale: floats(dlogitScale), weight: C.float(weight), scores: floats(scores), logit_scale: floats(logitScale), columns: doubles(columns),
	})
	d.countScratch()
}
