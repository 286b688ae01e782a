package tcl

import "github.com/textground/textground/kernels"

// classMemory holds the activations of a block whose output is wanted at the class token alone (design.md section 5): all
// R = batch*tokens rows serve as keys and values, batch rows as queries.
type classMemory struct {
	stats, normed kernels.Tensor // [R, 2], [R, D]
	kv            kernels.Tensor // [R, 2D]
	x, query      kernels.Tensor // [batch, D]: the class rows of the input and of normed
	q, heads, mid kernels.Tensor // [batch, D]
	lse           kernels.Tensor // [batch, heads, 1]
	mlp           mlpMemory
}

// newClassMemory takes normed from the memory that a tower's blocks share.
func newClassMemory(a *arena, shared blockMemory, s kernels.AttentionShape) classMemory {
	rows, d := shared.normed.Rows(), shared.normed.Cols()
	small := func(width int) kernels.Tensor { return a.floats(s.Batch, width) }
	return classMemory{
		stats: a.floats(rows, 2), normed: shared.normed, kv: a.floats(rows, 2*d),
		x: small(d), query: small(d), q: small(d), heads: small(d), mid: small(d), lse: a.floats(s.Batch, s.Heads, 1),
		mlp: mlpMemory{stats: small(2), normed: small(d), pre: small(4 * d), hidden: small(4 * d)},
	}
}

// classRow computes out [batch, D], the block's output at rows classes of x [R, D].
func (b *block) classRow(dev kernels.Device, out, x, classes kernels.Tensor, m classMemory, s kernels.AttentionShape) {
	d := x.Cols()
	dev.LayerNorm(m.normed, m.stats, x, b.ln1.gamma, b.ln1.beta)
	dev.GatherRows(m.x, x, classes)
	dev.GatherRows(m.query, m.normed, classes)
	b.in.part(0, 1).apply(dev, m.q, m.query, kernels.MatMul{})
	b.in.part(1, 3).apply(dev, m.kv, m.normed, kernels.MatMul{})
	dev.Attention(m.heads, m.lse, m.q, m.kv.Columns(0, d), m.kv.Columns(d, 2*d), s)
	b.out.apply(dev, m.mid, m.heads, kernels.MatMul{Residual: m.x})
	b.mlp(dev, out, m.mid, m.mlp)
}

// classRowInputGradient computes dx [R, D] from dclass [batch, D], the gradient of classRow's out, which it overwrites.
func (b *block) classRowInputGradient(dev kernels.Device, dx, dclass, x, classes kernels.Tensor, m classMemory, s kernels.AttentionShape, w scratch) {
	d, rows := dclass.Cols(), dclass.Rows()
	b.mlpBackward(dev, dclass, m.mid, m.mlp, &block{}, w)
	dheads, dq := w.heads.View(0, rows, d), w.heads.View(rows*d, rows, d)
	dkv := w.wide.View(0, x.Rows(), 2*d)
	dev.MatMul(dheads, dclass, b.out.weight, kernels.MatMul{})
	dev.AttentionBackward(dq, dkv.Columns(0, d), dkv.Columns(d, 2*d), dheads, m.heads, m.lse,
		m.q, m.kv.Columns(0, d), m.kv.Columns(d, 2*d), s)
	dev.MatMul(w.narrow, dkv, b.in.part(1, 3).weight, kernels.MatMul{})
	dev.MatMul(dheads, dq, b.in.part(0, 1).weight, kernels.MatMul{})
	dev.ScatterRows(w.narrow, dheads, classes)
	dev.Zero(dx)
	dev.ScatterRows(dx, dclass, classes)
	dev.LayerNormBackward(dx, kernels.Tensor{}, kernels.Tensor{}, w.narrow, x, m.stats, b.ln1.gamma)
}
