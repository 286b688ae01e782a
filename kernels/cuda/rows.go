//go:build cuda && cgo

package cuda

// #include "rows.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	addTo       = declare("addto", 256)
	gatherRows  = declare("gather_rows", 256)
	scatterRows = declare("scatter_rows", 256)
	columnSums  = declare("column_sums", 256)
	addPartials = declare("add_partials", 256)
)

// pointer is address for argument structs.
func pointer(t kernels.Tensor) C.uint64_t { return C.uint64_t(address(t)) }

// rowGrid has a block for each 256 columns (x) of each row (y).
func rowGrid(rows, cols int) grid {
	return grid{X: blocks(cols, 256).X, Y: min(max(rows, 1), 65535)}
}

// AddTo adds src's rows to dst's. Dense tensors are one long row.
func (d *device) AddTo(dst, src kernels.Tensor) {
	kernels.RequireMatrix("AddTo: src", src, dst.Rows(), dst.Cols())
	kernels.RequireMatrix("AddTo: dst", dst, dst.Rows(), dst.Cols())
	rows, cols := dst.Rows(), dst.Cols()
	if dst.Dense() && src.Dense() {
		rows, cols = 1, dst.Len()
	}
	launch(d, addTo, rowGrid(rows, cols), 0, &C.struct_tg_addto{
		dst: pointer(dst), src: pointer(src), rows: C.int64_t(rows), cols: C.int64_t(cols),
		ld_dst: C.int64_t(dst.Stride), ld_src: C.int64_t(src.Stride),
	})
}

// GatherRows copies the named rows.
func (d *device) GatherRows(dst, src, rows kernels.Tensor) {
	kernels.Require("GatherRows: rows", rows, kernels.Int32, dst.Rows())
	kernels.RequireMatrix("GatherRows: dst", dst, dst.Rows(), src.Cols())
	launch(d, gatherRows, rowGrid(dst.Rows(), dst.Cols()), 0, namedRows(dst, src, rows, dst.Rows(), src.Rows()))
}

// ScatterRows adds to the named rows: no two threads meet, because no row is named twice.
func (d *device) ScatterRows(dst, src, rows kernels.Tensor) {
	kernels.Require("ScatterRows: rows", rows, kernels.Int32, src.Rows())
	kernels.RequireMatrix("ScatterRows: dst", dst, dst.Rows(), src.Cols())
	launch(d, scatterRows, rowGrid(src.Rows(), src.Cols()), 0, namedRows(dst, src, rows, src.Rows(), dst.Rows()))
}

func namedRows(dst, src, index kernels.Tensor, rows, limit int) *C.struct_tg_named_rows {
	return &C.struct_tg_named_rows{
		dst: pointer(dst), src: pointer(src), index: pointer(index), rows: C.int64_t(rows), cols: C.int64_t(dst.Cols()),
		ld_dst: C.int64_t(dst.Stride), ld_src: C.int64_t(src.Stride), limit: C.int64_t(limit),
	}
}

// ColumnSums adds the rows of x to out, chunk by chunk.
func (d *device) ColumnSums(out, x kernels.Tensor) {
	rows, cols := x.Rows(), x.Cols()
	kernels.Require("ColumnSums: out", out, kernels.Float32, cols)
	kernels.RequireMatrix("ColumnSums: x", x, rows, cols)
	g := grid{X: columnGrid(cols).X, Y: ceil(max(rows, 1), chunkRows)}
	partial, release := d.scratch(4 * g.Y * cols)
	defer release()
	a := &C.struct_tg_column_sums{
		out: pointer(out), partial: C.uint64_t(partial), x: pointer(x),
		rows: C.int64_t(rows), cols: C.int64_t(cols), ld: C.int64_t(x.Stride), chunks: C.int64_t(g.Y),
	}
	launch(d, columnSums, g, 0, a)
	launch(d, addPartials, columnGrid(cols), 0, a)
}

// chunkRows is kChunkRows of rows.cu.
const chunkRows = 512

// columnGrid has the blocks of include/columns.cuh: 32 columns each.
func columnGrid(cols int) grid { return blocks(cols, 32) }
