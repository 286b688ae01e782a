//go:build cuda && cgo

package cuda

// #include "hopper_gemm.h"
import "C"

import (
	"unsafe"

	"github.com/textground/textground/kernels"
)

var hopperGEMM = declareHopperVariants("hopper_gemm")

// gemmWork is a matrix product on Hopper's engines.
func gemmWork(rows, cols, inner int) engineWork {
	return engineWork{
		rows: rows, rowTiles: ceil(rows, C.TG_HOPPER_ROWS), cols: cols, inner: inner, taps: 1, packed: (rows + cols) * inner,
	}
}

// hopperMatMul computes a product with its epilogue on Hopper's engines.
func (d *device) hopperMatMul(w engineWork, a, b kernels.Tensor, m kernels.MatMul, product *C.struct_tg_matmul) {
	left, releaseLeft := d.pack(address(a), w.rows, w.inner, a.Stride, m.TransA)
	right, releaseRight := d.pack(address(b), w.cols, w.inner, b.Stride, !m.TransB)
	args := &C.struct_tg_hopper_gemm{product: *product}
	d.encode(unsafe.Pointer(&args.a), left.tiles(C.TG_HOPPER_ROWS))
	d.encode(unsafe.Pointer(&args.b), right.tiles(w.tileCols()))
	launchHopper(d, hopperGEMM, w, args)
	releaseRight()
	releaseLeft()
}
