//go:build cgo

package cpu

// #include "rows.h"
import "C"

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

// Zero clears t's rows.
func (d *device) Zero(t kernels.Tensor) {
	if t.DType.Size() == 8 {
		zeroRows[uint64](t)
	} else {
		zeroRows[float32](t)
	}
}

func zeroRows[T float32 | uint64](t kernels.Tensor) {
	data := kernels.Host[T](t)
	if t.Dense() {
		clear(data)
		return
	}
	for r := range t.Rows() {
		clear(data[r*t.Stride:][:t.Cols()])
	}
}

// Copy copies src's rows to dst's.
func (d *device) Copy(dst, src kernels.Tensor) {
	if dst.DType != src.DType || dst.Rows() != src.Rows() || dst.Cols() != src.Cols() {
		panic(fmt.Sprintf("cpu: copy of %v %v to %v %v", src.DType, src.Shape, dst.DType, dst.Shape))
	}
	if dst.DType.Size() == 8 {
		copyRows[uint64](dst, src)
	} else {
		copyRows[float32](dst, src)
	}
}

func copyRows[T float32 | uint64](dst, src kernels.Tensor) {
	to, from := kernels.Host[T](dst), kernels.Host[T](src)
	if dst.Dense() && src.Dense() {
		copy(to, from)
		return
	}
	for r := range dst.Rows() {
		copy(to[r*dst.Stride:][:dst.Cols()], from[r*src.Stride:])
	}
}

// AddTo adds row by row.
func (d *device) AddTo(dst, src kernels.Tensor) {
	kernels.RequireMatrix("AddTo: src", src, dst.Rows(), dst.Cols())
	kernels.RequireMatrix("AddTo: dst", dst, dst.Rows(), dst.Cols())
	d.addRows(dst, src, kernels.Tensor{})
}

// ScatterRows adds to the named rows: no two tasks meet in one, because no row is named twice.
func (d *device) ScatterRows(dst, src, rows kernels.Tensor) {
	kernels.Require("ScatterRows: rows", rows, kernels.Int32, src.Rows())
	kernels.RequireMatrix("ScatterRows: dst", dst, dst.Rows(), src.Cols())
	requireBelow("ScatterRows: rows", rows, dst.Rows())
	d.addRows(dst, src, rows)
}

func (d *device) addRows(dst, src, rows kernels.Tensor) {
	C.tg_add_rows(d.pool.c, &C.struct_tg_add_rows{
		rows: C.long(src.Rows()), cols: C.long(src.Cols()), dst_stride: C.long(dst.Stride), src_stride: C.long(src.Stride),
		dst: floats(dst), src: floats(src), to: ints(rows),
	})
}

// GatherRows copies the named rows.
func (d *device) GatherRows(dst, src, rows kernels.Tensor) {
	kernels.Require("GatherRows: rows", rows, kernels.Int32, dst.Rows())
	kernels.RequireMatrix("GatherRows: dst", dst, dst.Rows(), src.Cols())
	requireBelow("GatherRows: rows", rows, src.Rows())
	C.tg_gather_rows(d.pool.c, &C.struct_tg_gather_rows{
		rows: C.long(dst.Rows()), cols: C.long(dst.Cols()), dst_stride: C.long(dst.Stride), src_stride: C.long(src.Stride),
		dst: floats(dst), src: floats(src), from: ints(rows),
	})
}

// ColumnSums adds the rows of x to out.
func (d *device) ColumnSums(out, x kernels.Tensor) {
	kernels.Require("ColumnSums: out", out, kernels.Float32, x.Cols())
	kernels.RequireMatrix("ColumnSums: x", x, x.Rows(), x.Cols())
	C.tg_column_sums(d.pool.c, &C.struct_tg_column_sums{
		rows: C.long(x.Rows()), cols: C.long(x.Cols()), stride: C.long(x.Stride), out: floats(out), x: floats(x),
	})
	d.countScratch()
}

// requireBelow panics unless all indices lie in [0, limit): C would read or write past the end.
func requireBelow(what string, indices kernels.Tensor, limit int) {
	for i, v := range kernels.Host[int32](indices) {
		if v < 0 || int(v) >= limit {
			panic(fmt.Sprintf("cpu: %s: index %d is %d of %d", what, i, v, limit))
		}
	}
}

// ints is pointer for Int32 tensors.
func ints(t kernels.Tensor) *C.int32_t { return (*C.int32_t)(pointer(t)) }
