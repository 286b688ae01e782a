//go:build cuda && cgo

package cuda

// #include "copy.h"
import "C"

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

var copyRows = declare("copy_rows", 256)

// Zero clears t's rows.
func (d *device) Zero(t kernels.Tensor) {
	switch {
	case d.dry() || t.Len() == 0:
	case t.Dense():
		d.room(0).Zero(address(t), t.Len()*t.DType.Size())
	default:
		d.copyRows(t, kernels.Tensor{})
	}
}

// Copy copies src's rows to dst's.
func (d *device) Copy(dst, src kernels.Tensor) {
	if dst.DType != src.DType || dst.Rows() != src.Rows() || dst.Cols() != src.Cols() {
		panic(fmt.Sprintf("cuda: copy of %v %v to %v %v", src.DType, src.Shape, dst.DType, dst.Shape))
	}
	switch {
	case d.dry() || dst.Len() == 0:
	case dst.Dense() && src.Dense():
		bytes := dst.Len() * dst.DType.Size()
		d.room(0).Copy(end(dst), end(src), bytes, 1)
	default:
		d.copyRows(dst, src)
	}
}

// copyRows copies or, without a source, clears rows that may be strided.
func (d *device) copyRows(dst, src kernels.Tensor) {
	words := dst.DType.Size() / 4
	launch(d, copyRows, rowGrid(dst.Rows(), words*dst.Cols()), 0, &C.struct_tg_copy_rows{
		dst: pointer(dst), src: pointer(src), rows: C.int64_t(dst.Rows()), cols: C.int64_t(words * dst.Cols()),
		ld_dst: C.int64_t(words * dst.Stride), ld_src: C.int64_t(words * src.Stride),
	})
}
