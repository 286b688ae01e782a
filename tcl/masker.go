package tcl

import "github.com/textground/textground/kernels"

// maskerMemory holds the activations of a block under the MaskCLIP trick over R rows. Attention is diagonal there, so a
// row's output depends on that row alone: the class token is left out, and q and k have no influence (tcl-spec section 1).
type maskerMemory struct {
	stats, normed kernels.Tensor // [R, 2], [R, D]
	value, mid    kernels.Tensor // [R, D]
	mlp           mlpMemory
}

// newMaskerMemory allocates what a forward pass alone needs.
func newMaskerMemory(a *arena, rows, width int) maskerMemory {
	normed := a.floats(rows, width)
	return maskerMemory{
		normed: normed, value: a.floats(rows, width), mid: a.floats(rows, width),
		mlp: mlpMemory{normed: normed, hidden: a.floats(rows, 4*width)},
	}
}

// keeping returns memory that also holds what the gradients of the weights need.
func (m maskerMemory) keeping(a *arena) maskerMemory {
	rows, width := m.normed.Rows(), m.normed.Cols()
	m.stats, m.mlp.stats = a.floats(rows, 2), a.floats(rows, 2)
	m.mlp.normed, m.mlp.pre = a.floats(rows, width), a.floats(rows, 4*width)
	return m
}

// valueOnly computes out [R, D] from x [R, D]: attention reduces to out_proj(V(ln_1 x)).
func (b *block) valueOnly(dev kernels.Device, out, x kernels.Tensor, m maskerMemory) {
	dev.LayerNorm(m.normed, m.stats, x, b.ln1.gamma, b.ln1.beta)
	b.in.part(2, 3).apply(dev, m.value, m.normed, kernels.MatMul{})
	b.out.apply(dev, m.mid, m.value, kernels.MatMul{Residual: x})
	b.mlp(dev, out, m.mid, m.mlp)
}

// valueOnlyWeightGradients fills grads from dx [R, D], the gradient of valueOnly's out, which it overwrites. The gradients
// of q and k stay as they are: zero. What lies before x is frozen.
func (b *block) valueOnlyWeightGradients(dev kernels.Device, dx, x kernels.Tensor, m maskerMemory, grads *block, w scratch) {
	rows, d := dx.Rows(), dx.Cols()
	dvalue, dnormed := w.heads.View(0, rows, d), w.narrow.View(0, rows, d)
	b.mlpBackward(dev, dx, m.mid, m.mlp, grads, w)
	grads.out.gradients(dev, dx, m.value)
	dev.MatMul(dvalue, dx, b.out.weight, kernels.MatMul{})
	grads.in.part(2, 3).gradients(dev, dvalue, m.normed)
	dev.MatMul(dnormed, dvalue, b.in.part(2, 3).weight, kernels.MatMul{})
	dev.LayerNormBackward(dx, grads.ln1.gamma, grads.ln1.beta, dnormed, x, m.stats, b.ln1.gamma)
}
