//go:build cuda && cgo

package cuda

// #include "hopper_gemm.h"
import "C"

import (
	"unsafe"

	"github.com/textground/textground/kernels"
)

var hopperGEMM = declareHopperVariants("hopper_gemm")

// gemmWork is a matrix product on Hopper's engines, each tile on its own.
func gemmWork(rows, cols, inner int) engineWork {
	return engineWork{
		multiplies: float64(rows*cols) * float64(inner),
		rowTiles:   ceil(rows, C.TG_HOPPER_ROWS), cols: cols, steps: ceil(inner, C.TG_HOPPER_INNER),
		packed: (rows + cols) * inner,
	}
}

// hopperMatMul computes a product with its epilogue on Hopper's engines, where that pays, and reports whether it has.
func (d *device) hopperMatMul(a, b kernels.Tensor, m kernels.MatMul, product *C.struct_tg_matmul) bool {
	rows, cols, inner := int(product.m), int(product.n), int(product.k)
	w := gemmWork(rows, cols, inner)
	t := w.tiling()
	if m.TransA && !m.TransB {
		if shared := sharedWork(rows, cols, inner); shared.tiling().cost < t.cost && shared.pays(shared.tiling()) {
			d.hopperSharedMatMul(shared.tiling(), a, b, product)
			return true
		}
	}
	if !w.pays(t) {
		return false
	}
	left, releaseLeft := d.pack(address(a), rows, inner, a.Stride, m.TransA)
	right, releaseRight := d.pack(address(b), cols, inner, b.Stride, !m.TransB)
	args := &C.struct_tg_hopper_gemm{product: *product}
	d.encode(unsafe.Pointer(&args.a), left.stack(rows, 1, C.TG_HOPPER_ROWS))
	d.encode(unsafe.Pointer(&args.b), right.stack(cols, 1, t.cols))
	launchHopper(d, hopperGEMM, t, args)
	releaseRight()
	releaseLeft()
	return true
}
