//go:build cgo

package cpu

// #include "matmul.h"
import "C"

import "github.com/textground/textground/kernels"

// MatMul computes c = a·b with the epilogue m.
func (d *device) MatMul(c, a, b kernels.Tensor, m kernels.MatMul) {
	rows, cols, inner := m.Sizes(c, a, b)
	C.tg_matmul(d.pool.c, &C.struct_tg_matmul{
		m: C.long(rows), n: C.long(cols), k: C.long(inner),
		a: floats(a), lda: C.long(a.Stride), trans_a: flag(m.TransA),
		b: floats(b), ldb: C.long(b.Stride), trans_b: flag(m.TransB),
		c: floats(c), ldc: C.long(c.Stride),
		bias: floats(m.Bias),
		pre:  floats(m.Pre), ld_pre: C.long(m.Pre.Stride),
		act: uint32(m.Act), act_grad: uint32(m.ActGrad),
		residual: floats(m.Residual), ld_residual: C.long(m.Residual.Stride),
		add: flag(m.Add),
	})
	d.countScratch()
}

// flag is a C truth value.
func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
