//go:build cuda && cgo

package cuda

// #include "infonce.h"
import "C"

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

var (
	expColumns   = declare("exp_columns", 128)
	infoNCE      = declare("infonce", 256)
	infoNCETotal = declare("infonce_total", 256)
)

// ExpColumns adds the exponentials of each column.
func (d *device) ExpColumns(columns, scores, logitScale kernels.Tensor) {
	rows, texts := scores.Rows(), scores.Cols()
	kernels.Require("ExpColumns: columns", columns, kernels.Float64, texts)
	kernels.Require("ExpColumns: scores", scores, kernels.Float32, rows*texts)
	kernels.Require("ExpColumns: logitScale", logitScale, kernels.Float32, 1)
	launch(d, expColumns, blocks(texts, 128), 0, &C.struct_tg_exp_columns{
		columns: pointer(columns), scores: pointer(scores), logit_scale: pointer(logitScale), rows: C.int64_t(rows), texts: C.int64_t(texts),
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
	if rows < 1 || first < 0 || first+rows > texts {
		panic(fmt.Sprintf("cuda: InfoNCE: %d images belong to texts from %d of %d", rows, first, texts))
	}
	partial, release := d.scratch(2 * 8 * rows)
	defer release()
	a := &C.struct_tg_infonce{
		loss: pointer(loss), partial: C.uint64_t(partial), dscores: pointer(dscores), dlogit_scale: pointer(dlogitScale),
		scores: pointer(scores), logit_scale: pointer(logitScale), columns: pointer(columns),
		rows: C.int64_t(rows), texts: C.int64_t(texts), first: C.int64_t(first), weight: C.float(weight),
	}
	launch(d, infoNCE, grid{X: rows}, 0, a)
	launch(d, infoNCETotal, grid{X: 1}, 0, a)
}
