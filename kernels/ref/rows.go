package ref

import (
	"github.com/textground/textground/kernels"
)

// GatherRows copies the named rows.
func (d *device) GatherRows(dst, src, rows kernels.Tensor) {
	kernels.Require("GatherRows: rows", rows, kernels.Int32, dst.Rows())
	kernels.RequireMatrix("GatherRows: dst", dst, dst.Rows(), src.Cols())
	to, from := rowsOf(dst), rowsOf(src)
	for i, r := range kernels.Host[int32](rows) {
		copy(to.row(i), from.row(int(r)))
	}
}

// ScatterRows adds to the named rows.
func (d *device) ScatterRows(dst, src, rows kernels.Tensor) {
	kernels.Require("ScatterRows: rows", rows, kernels.Int32, src.Rows())
	kernels.RequireMatrix("ScatterRows: src", src, src.Rows(), dst.Cols())
	to, from := rowsOf(dst), rowsOf(src)
	for i, r := range kernels.Host[int32](rows) {
		addTo(to.row(int(r)), from.row(i))
	}
}
