package tcl

import "github.com/textground/textground/kernels"

// norm is an affine layer norm.
type norm struct{ gamma, beta kernels.Tensor }

// linear is y = x·weightᵀ + bias, the weight stored [out, in].
type linear struct{ weight, bias kernels.Tensor }

// block is a pre-norm residual block of CLIP (tcl-spec section 1): its weights or, with the same fields, their gradients.
// The zero block as gradients stands for frozen weights.
type block struct {
	ln1, ln2          norm
	in, out, fc, proj linear // in is the stacked q, k and v [3D, D]
	activation        kernels.Activation
}

// lookup finds the tensor of a full name.
type lookup func(name string) kernels.Tensor

func newNorm(get lookup, prefix string) norm {
	return norm{get(prefix + "weight"), get(prefix + "bias")}
}

func newLinear(get lookup, prefix string) linear {
	return linear{get(prefix + "weight"), get(prefix + "bias")}
}

func newBlock(get lookup, prefix string, a Activation) block {
	return block{
		ln1: newNorm(get, prefix+"ln_1."), ln2: newNorm(get, prefix+"ln_2."),
		in:  linear{get(prefix + "attn.in_proj_weight"), get(prefix + "attn.in_proj_bias")},
		out: newLinear(get, prefix+"attn.out_proj."),
		fc:  newLinear(get, prefix+"mlp.c_fc."), proj: newLinear(get, prefix+"mlp.c_proj."),
		activation: a.kernel(),
	}
}

// part returns rows [from*D, to*D) of a stacked projection: of q, k and v, q is 0 to 1 and v is 2 to 3.
func (l linear) part(from, to int) linear {
	d := l.weight.Cols()
	return linear{l.weight.RowRange(from*d, to*d), l.bias.View(from*d, (to-from)*d)}
}

// apply computes y [R, out] = x [R, in]·weightᵀ + bias, then the rest of the epilogue.
func (l linear) apply(dev kernels.Device, y, x kernels.Tensor, epilogue kernels.MatMul) {
	epilogue.TransB, epilogue.Bias = true, l.bias
	dev.MatMul(y, x, l.weight, epilogue)
}

// gradients computes the weight's gradient and adds to the bias's, from the input x and the gradient dy of the output.
func (l linear) gradients(dev kernels.Device, dy, x kernels.Tensor) {
	dev.MatMul(l.weight, dy, x, kernels.MatMul{TransA: true})
	dev.ColumnSums(l.bias, dy)
}

// mlpMemory holds the activations of the second half of a block: layer norm, 4 times wider layer, activation, back.
type mlpMemory struct {
	stats  kernels.Tensor // [R, 2]
	normed kernels.Tensor // [R, D]
	pre    kernels.Tensor // [R, 4D], before the activation; absent where no gradient is wanted
	hidden kernels.Tensor // [R, 4D]
}

// mlp computes out = mid + MLP(LN(mid)); out may be anything but mid.
func (b *block) mlp(dev kernels.Device, out, mid kernels.Tensor, m mlpMemory) {
	dev.LayerNorm(m.normed, m.stats, mid, b.ln2.gamma, b.ln2.beta)
	b.fc.apply(dev, m.hidden, m.normed, kernels.MatMul{Act: b.activation, Pre: m.pre})
	b.proj.apply(dev, out, m.hidden, kernels.MatMul{Residual: mid})
}

// mlpBackward turns dx [R, D], the gradient of out, into that of mid, and fills grads unless they are absent. Of the
// activations, normed and hidden are read for the weights' gradients only.
func (b *block) mlpBackward(dev kernels.Device, dx, mid kernels.Tensor, m mlpMemory, grads *block, s scratch) {
	dhidden, dnormed := s.wide.View(0, dx.Rows(), 4*dx.Cols()), s.narrow.View(0, dx.Rows(), dx.Cols())
	dev.MatMul(dhidden, dx, b.proj.weight, kernels.MatMul{ActGrad: b.activation, Pre: m.pre})
	if grads.fc.weight.Present() {
		grads.proj.gradients(dev, dx, m.hidden)
		grads.fc.gradients(dev, dhidden, m.normed)
	}
	dev.MatMul(dnormed, dhidden, b.fc.weight, kernels.MatMul{})
	dev.LayerNormBackward(dx, grads.ln2.gamma, grads.ln2.beta, dnormed, mid, m.stats, b.ln2.gamma)
}

// scratch is working space that every block of a backward pass uses in turn.
type scratch struct {
	wide   kernels.Tensor // [R, 4D]
	narrow kernels.Tensor // [R, D]
	heads  kernels.Tensor // [R, D]
}

func newScratch(a *arena, rows, width int) scratch {
	return scratch{wide: a.floats(rows, 4*width), narrow: a.floats(rows, width), heads: a.floats(rows, width)}
}

// blockMemory holds the activations of a block with full attention over R = batch*tokens rows.
type blockMemory struct {
	stats  kernels.Tensor // [R, 2]
	normed kernels.Tensor // [R, D]
	qkv    kernels.Tensor // [R, 3D]
	heads  kernels.Tensor // [R, D], the attention's output
	lse    kernels.Tensor // [batch, heads, tokens]; absent where no gradient is wanted
	mid    kernels.Tensor // [R, D], between attention and MLP
	mlp    mlpMemory
}

// newBlockMemory allocates what a forward pass alone needs: all blocks of a tower share one.
func newBlockMemory(a *arena, rows, width int) blockMemory {
	normed := a.floats(rows, width)
	return blockMemory{
		normed: normed, qkv: a.floats(rows, 3*width), heads: a.floats(rows, width), mid: a.floats(rows, width),
		mlp: mlpMemory{normed: normed, hidden: a.floats(rows, 4*width)},
	}
}

// keeping returns memory that holds what the gradient of the block's input needs apart from m, and shares the rest.
func (m blockMemory) keeping(a *arena, s kernels.AttentionShape) blockMemory {
	rows, width := m.normed.Rows(), m.normed.Cols()
	m.stats, m.mlp.stats = a.floats(rows, 2), a.floats(rows, 2)
	m.qkv, m.heads, m.mid = a.floats(rows, 3*width), a.floats(rows, width), a.floats(rows, width)
	m.lse, m.mlp.pre = a.floats(s.Batch, s.Heads, s.Queries), a.floats(rows, 4*width)
	return m
}

// rows returns the memory's first n rows, for a pass that is smaller than the memory and keeps nothing.
func (m blockMemory) rows(n int) blockMemory {
	return blockMemory{
		normed: m.normed.RowRange(0, n), qkv: m.qkv.RowRange(0, n), heads: m.heads.RowRange(0, n), mid: m.mid.RowRange(0, n),
		mlp: mlpMemory{normed: m.mlp.normed.RowRange(0, n), hidden: m.mlp.hidden.RowRange(0, n)},
	}
}

// split returns the three parts of stacked queries, keys and values.
func split(qkv kernels.Tensor) (q, k, v kernels.Tensor) {
	d := qkv.Cols() / 3
	return qkv.Columns(0, d), qkv.Columns(d, 2*d), qkv.Columns(2*d, 3*d)
}

// forward computes out, which may be x itself, from x [R, D].
func (b *block) forward(dev kernels.Device, out, x kernels.Tensor, m blockMemory, s kernels.AttentionShape) {
	dev.LayerNorm(m.normed, m.stats, x, b.ln1.gamma, b.ln1.beta)
	b.in.apply(dev, m.qkv, m.normed, kernels.MatMul{})
	q, k, v := split(m.qkv)
	dev.Attention(m.heads, m.lse, q, k, v, s)
	b.out.apply(dev, m.mid, m.heads, kernels.MatMul{Residual: x})
	b.mlp(dev, out, m.mid, m.mlp)
}

// inputGradient turns dx [R, D], the gradient of forward's out, into that of its x. The weights are frozen.
func (b *block) inputGradient(dev kernels.Device, dx, x kernels.Tensor, m blockMemory, s kernels.AttentionShape, w scratch) {
	b.mlpBackward(dev, dx, m.mid, m.mlp, &block{}, w)
	dev.MatMul(w.heads, dx, b.out.weight, kernels.MatMul{})
	dqkv := w.wide.View(0, dx.Rows(), 3*dx.Cols())
	q, k, v := split(m.qkv)
	dq, dk, dv := split(dqkv)
	dev.AttentionBackward(dq, dk, dv, w.heads, m.heads, m.lse, q, k, v, s)
	dev.MatMul(w.narrow, dqkv, b.in.weight, kernels.MatMul{})
	dev.LayerNormBackward(dx, kernels.Tensor{}, kernels.Tensor{}, w.narrow, x, m.stats, b.ln1.gamma)
}
