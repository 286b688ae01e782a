package tcl

import "github.com/textground/textground/kernels"

// projection is layer norm and a matrix without bias: image_proj of the grounder, or the end of CLIP's image tower. With
// the same fields it holds gradients.
type projection struct {
	norm   norm
	matrix kernels.Tensor // [D, E]
}

// projectionMemory holds the activations over R rows; stats are absent where no gradient is wanted.
type projectionMemory struct {
	stats, normed, out kernels.Tensor // [R, 2], [R, D], [R, E]
}

func newProjectionMemory(a *arena, rows, width, embed int) projectionMemory {
	return projectionMemory{normed: a.floats(rows, width), out: a.floats(rows, embed)}
}

// keeping returns memory that also holds what gradients need.
func (m projectionMemory) keeping(a *arena) projectionMemory {
	m.stats = a.floats(m.normed.Rows(), 2)
	return m
}

// forward computes m.out from x [R, D].
func (p *projection) forward(dev kernels.Device, x kernels.Tensor, m projectionMemory) {
	dev.LayerNorm(m.normed, m.stats, x, p.norm.gamma, p.norm.beta)
	dev.MatMul(m.out, m.normed, p.matrix, kernels.MatMul{})
}

// backward computes dx [R, D] from dout [R, E] and fills grads, which may be the zero projection: frozen.
func (p *projection) backward(dev kernels.Device, dx, dout, x kernels.Tensor, m projectionMemory, grads *projection, dnormed kernels.Tensor) {
	if grads.matrix.Present() {
		dev.MatMul(grads.matrix, m.normed, dout, kernels.MatMul{TransA: true})
	}
	dev.MatMul(dnormed, dout, p.matrix, kernels.MatMul{TransB: true})
	dev.Zero(dx)
	dev.LayerNormBackward(dx, grads.norm.gamma, grads.norm.beta, dnormed, x, m.stats, p.norm.gamma)
}
