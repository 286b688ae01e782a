package tcl

import "github.com/textground/textground/kernels"

// Pre-training trains every weight of CLIP, so its blocks keep all activations and fill gradients that the grounder never
// needs: those of full attention and of the class row.

// keepingAll returns memory that shares nothing: what the gradients of a block's weights and input need.
func (m blockMemory) keepingAll(a *arena, s kernels.AttentionShape) blockMemory {
	rows, width := m.normed.Rows(), m.normed.Cols()
	m = m.keeping(a, s)
	m.normed, m.mlp.normed, m.mlp.hidden = a.floats(rows, width), a.floats(rows, width), a.floats(rows, 4*width)
	return m
}

// keptRows returns the first rows of memory made by keepingAll, for a pass of the smaller shape s.
func (m blockMemory) keptRows(s kernels.AttentionShape) blockMemory {
	n := s.Batch * s.Queries
	return blockMemory{
		stats: m.stats.RowRange(0, n), normed: m.normed.RowRange(0, n), qkv: m.qkv.RowRange(0, n),
		heads: m.heads.RowRange(0, n), lse: m.lse.View(0, s.Batch, s.Heads, s.Queries), mid: m.mid.RowRange(0, n),
		mlp: mlpMemory{
			stats: m.mlp.stats.RowRange(0, n), normed: m.mlp.normed.RowRange(0, n),
			pre: m.mlp.pre.RowRange(0, n), hidden: m.mlp.hidden.RowRange(0, n),
		},
	}
}

// gradients turns dx [R, D], the gradient of forward's out, into that of its x, and fills grads.
func (b *block) gradients(dev kernels.Device, dx, x kernels.Tensor, m blockMemory, grads *block, s kernels.AttentionShape, w scratch) {
	rows, d := dx.Rows(), dx.Cols()
	dheads, dnormed, dqkv := w.heads.View(0, rows, d), w.narrow.View(0, rows, d), w.wide.View(0, rows, 3*d)
	b.mlpBackward(dev, dx, m.mid, m.mlp, grads, w)
	grads.out.gradients(dev, dx, m.heads)
	dev.MatMul(dheads, dx, b.out.weight, kernels.MatMul{})
	q, k, v := split(m.qkv)
	dq, dk, dv := split(dqkv)
	dev.AttentionBackward(dq, dk, dv, dheads, m.heads, m.lse, q, k, v, s)
	grads.in.gradients(dev, dqkv, m.normed)
	dev.MatMul(dnormed, dqkv, b.in.weight, kernels.MatMul{})
	dev.LayerNormBackward(dx, grads.ln1.gamma, grads.ln1.beta, dnormed, x, m.stats, b.ln1.gamma)
}

// classRowGradients computes dx [R, D] from dclass [batch, D], the gradient of classRow's out, which it overwrites, and
// fills grads.
func (b *block) classRowGradients(dev kernels.Device, dx, dclass, x, classes kernels.Tensor, m classMemory, grads *block, s kernels.AttentionShape, w scratch) {
	d, rows := dclass.Cols(), dclass.Rows()
	b.mlpBackward(dev, dclass, m.mid, m.mlp, grads, w)
	grads.out.gradients(dev, dclass, m.heads)
	dheads, dq := w.heads.View(0, rows, d), w.heads.View(rows*d, rows, d)
	dkv := w.wide.View(0, x.Rows(), 2*d)
	dev.MatMul(dheads, dclass, b.out.weight, kernels.MatMul{})
	dev.AttentionBackward(dq, dkv.Columns(0, d), dkv.Columns(d, 2*d), dheads, m.heads, m.lse,
		m.q, m.kv.Columns(0, d), m.kv.Columns(d, 2*d), s)
	grads.in.part(0, 1).gradients(dev, dq, m.query)
	grads.in.part(1, 3).gradients(dev, dkv, m.normed)
	dev.MatMul(w.narrow, dkv, b.in.part(1, 3).weight, kernels.MatMul{})
	dev.MatMul(dheads, dq, b.in.part(0, 1).weight, kernels.MatMul{})
	dev.ScatterRows(w.narrow, dheads, classes)
	dev.Zero(dx)
	dev.ScatterRows(dx, dclass, classes)
	dev.LayerNormBackward(dx, grads.ln1.gamma, grads.ln1.beta, w.narrow, x, m.stats, b.ln1.gamma)
}
