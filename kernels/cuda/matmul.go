//go:build cuda && cgo

package cuda

// #include "matmul.h"
import "C"

import "github.com/textground/textground/kernels"

// matMul holds the kernels of a product by whether A and B are stored transposed.
var matMul = map[[2]bool]variants{
	{false, false}: declareVariants("matmul", "_nn"), {false, true}: declareVariants("matmul", "_nt"),
	{true, false}: declareVariants("matmul", "_tn"), {true, true}: declareVariants("matmul", "_tt"),
}

var matMulFinish = declare("matmul_finish", 256)

// MatMul computes c = a·b with the epilogue m.
func (d *device) MatMul(c, a, b kernels.Tensor, m kernels.MatMul) {
	rows, cols, inner := m.Sizes(c, a, b)
	args := &C.struct_tg_matmul{
		a: C.uint64_t(address(a)), b: C.uint64_t(address(b)), c: C.uint64_t(address(c)), bias: C.uint64_t(address(m.Bias)),
		pre: C.uint64_t(address(m.Pre)), residual: C.uint64_t(address(m.Residual)),
		ld_a: C.int64_t(a.Stride), ld_b: C.int64_t(b.Stride), ld_c: C.int64_t(c.Stride),
		ld_pre: C.int64_t(m.Pre.Stride), ld_residual: C.int64_t(m.Residual.Stride),
		m: C.int32_t(rows), n: C.int32_t(cols), k: C.int32_t(inner),
		act: C.int32_t(m.Act), act_grad: C.int32_t(m.ActGrad), add: flag(m.Add),
	}
	if d.hopper && d.hopperMatMul(a, b, m, args) {
		return
	}
	t := d.tile(matMul[[2]bool{m.TransA, m.TransB}], rows, cols, 1, ceil(inner, innerStep))
	args.splits = C.int32_t(t.splits)
	g := grid{X: t.tiles, Z: t.splits}
	if t.splits == 1 {
		launch(d, t.kernel, g, 0, args)
		return
	}
	partial, release := d.scratch(4 * t.splits * rows * cols)
	args.partial = C.uint64_t(partial)
	launch(d, t.kernel, g, 0, args)
	launch(d, matMulFinish, blocks(rows*cols, 256), 0, args)
	release()
}

// flag is a truth value of an argument struct.
func flag(b bool) C.int32_t {
	if b {
		return 1
	}
	return 0
}
