//go:build cgo

package cpu

// #include "matmul.h"
import "C"

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

// MatMul computes c = a·b with the epilogue m.
func (d *device) MatMul(c, a, b kernels.Tensor, m kernels.MatMul) {
	rows, inner := a.Rows(), a.Cols()
	if m.TransA {
		rows, inner = inner, rows
	}
	innerB, cols := b.Rows(), b.Cols()
	if m.TransB {
		innerB, cols = cols, innerB
	}
	if inner != innerB || c.Rows() != rows || c.Cols() != cols || m.Bias.Present() && m.Bias.Len() != cols {
		panic(fmt.Sprintf("cpu: matmul of %v (transposed %t) and %v (transposed %t) into %v with bias %v",
			a.Shape, m.TransA, b.Shape, m.TransB, c.Shape, m.Bias.Shape))
	}
	for _, t := range []kernels.Tensor{m.Pre, m.Residual} {
		if t.Present() && (t.Rows() != rows || t.Cols() != cols) {
			panic(fmt.Sprintf("cpu: matmul into %v with an epilogue of %v", c.Shape, t.Shape))
		}
	}
	C.tg_matmul(d.pool.c, &C.struct_tg_matmul{
		m: C.long(rows), n: C.long(cols), k: C.long(inner),
		a: floats(a), lda: C.long(a.Stride), trans_a: flag(m.TransA),
		b: floats(b), ldb: C.long(b.Stride), trans_b: flag(m.TransB),
		c: floats(c), ldc: C.long(c.Stride),
		bias: floats(m.Bias),
		pre:  floats(m.Pre), ld_pre: C.long(m.Pre.Stride),
		act: flag(m.Act == kernels.QuickGELU), act_grad: flag(m.ActGrad == kernels.QuickGELU),
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
