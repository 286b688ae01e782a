package ref

import "github.com/textground/textground/kernels"

// MatMul adds products in float64 over K in order, then applies the epilogue in float64 and rounds once.
func (d *device) MatMul(c, a, b kernels.Tensor, m kernels.MatMul) {
	rows, cols, inner := m.Sizes(c, a, b)
	left := widened(rowsOf(a))
	if m.TransA {
		left = transposed(rowsOf(a)) // [M, K]
	}
	right := widened(rowsOf(b))
	if m.TransB {
		right = transposed(rowsOf(b)) // [K, N]
	}
	out, bias := rowsOf(c), values(m.Bias)
	parallel(rows, func(r int) {
		sum := make([]float64, cols)
		accumulate(sum, left[r*inner:][:inner], right)
		finish(out.row(r), sum, bias, optionalRow(m.Pre, r), optionalRow(m.Residual, r), m)
	})
}

// finish applies the epilogue to one row.
func finish(out []float32, sum []float64, bias, pre, residual []float32, m kernels.MatMul) {
	act, slope := activations[m.Act].value, activations[m.ActGrad].slope
	for i, v := range sum {
		if bias != nil {
			v += float64(bias[i])
		}
		switch {
		case slope != nil:
			v *= slope(float64(pre[i]))
		case pre != nil:
			pre[i] = float32(v)
		}
		if act != nil {
			v = act(v)
		}
		if residual != nil {
			v += float64(residual[i])
		}
		if m.Add {
			v += float64(out[i])
		}
		out[i] = float32(v)
	}
}

func optionalRow(t kernels.Tensor, r int) []float32 {
	if !t.Present() {
		return nil
	}
	return rowsOf(t).row(r)
}

// ColumnSums adds the rows in order.
func (d *device) ColumnSums(out, x kernels.Tensor) {
	kernels.Require("ColumnSums: out", out, kernels.Float32, x.Cols())
	from, to := rowsOf(x), values(out)
	sum := make([]float64, from.cols)
	for r := range from.rows {
		for c, v := range from.row(r) {
			sum[c] += float64(v)
		}
	}
	for c, v := range sum {
		to[c] += float32(v)
	}
}
