package kernels

import "fmt"

// Require panics unless t is dense, of type dt and holds n elements: for implementers of Device, who name the operation
// and the argument, such as "AdamW: m1".
func Require(what string, t Tensor, dt DType, n int) {
	if !t.Present() || t.DType != dt || t.Len() != n || !t.Dense() {
		panic(fmt.Sprintf("kernels: %s: want %d dense %v values, have %s", what, n, dt, t.describe()))
	}
}

// RequireMatrix panics unless t, seen as a matrix, is Float32 [rows, cols]; its rows may be strided.
func RequireMatrix(what string, t Tensor, rows, cols int) {
	if !t.Present() || t.DType != Float32 || t.Rows() != rows || t.Cols() != cols {
		panic(fmt.Sprintf("kernels: %s: want a matrix of float32 [%d, %d], have %s", what, rows, cols, t.describe()))
	}
}

// RequireShape panics unless t is dense Float32 of that very shape.
func RequireShape(what string, t Tensor, shape ...int) {
	Require(what, t, Float32, NewTensor(nil, Float32, shape...).Len())
	same := len(t.Shape) == len(shape)
	for i := 0; same && i < len(shape); i++ {
		same = t.Shape[i] == shape[i]
	}
	if !same {
		panic(fmt.Sprintf("kernels: %s: want shape %v, have %s", what, shape, t.describe()))
	}
}

// Sizes returns M, N and K of c [M, N] = a [M, K] · b [K, N] and panics where the arguments of MatMul disagree.
func (m MatMul) Sizes(c, a, b Tensor) (rows, cols, inner int) {
	rows, cols, inner = c.Rows(), c.Cols(), a.Cols()
	aRows, aCols, bRows, bCols := rows, inner, inner, cols
	if m.TransA {
		inner = a.Rows()
		aRows, aCols, bRows = inner, rows, inner
	}
	if m.TransB {
		bRows, bCols = bCols, bRows
	}
	RequireMatrix("MatMul: c", c, rows, cols)
	RequireMatrix("MatMul: a", a, aRows, aCols)
	RequireMatrix("MatMul: b", b, bRows, bCols)
	if m.Act != NoActivation && m.ActGrad != NoActivation {
		panic(fmt.Sprintf("MatMul: Act is %d and ActGrad %d, but a product has one of them", m.Act, m.ActGrad))
	}
	if m.Bias.Present() {
		Require("MatMul: Bias", m.Bias, Float32, cols)
	}
	if m.Pre.Present() || m.ActGrad != NoActivation {
		RequireMatrix("MatMul: Pre", m.Pre, rows, cols)
	}
	if m.Residual.Present() {
		RequireMatrix("MatMul: Residual", m.Residual, rows, cols)
	}
	return rows, cols, inner
}

// describe names a tensor in a panic.
func (t Tensor) describe() string {
	if !t.Present() {
		return "none"
	}
	return fmt.Sprintf("%v %v with rows %d apart", t.DType, t.Shape, t.Stride)
}
