//go:build cuda && cgo

package cuda

// #include "rows.h"
import "C"

import "github.com/textground/textground/kernels"

var addTo = declare("addto", 256)

// AddTo adds src's rows to dst's.
func (d *device) AddTo(dst, src kernels.Tensor) {
	kernels.RequireMatrix("AddTo: src", src, dst.Rows(), dst.Cols())
	kernels.RequireMatrix("AddTo: dst", dst, dst.Rows(), dst.Cols())
	launch(d, addTo, blocks(dst.Len(), 256), 0, &C.struct_tg_addto{
		dst: C.uint64_t(address(dst)), src: C.uint64_t(address(src)), rows: C.int64_t(dst.Rows()), cols: C.int64_t(dst.Cols()),
		ld_dst: C.int64_t(dst.Stride), ld_src: C.int64_t(src.Stride),
	})
}
