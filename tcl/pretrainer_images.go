package tcl

import "github.com/textground/textground/kernels"

// imagePretraining is the image tower with all its gradients. The last block is passed twice: by the class row with full
// attention, and by the patch rows under the MaskCLIP trick, whose features TCL will build on.
type imagePretraining struct {
	tower, grads imageTower

	input              kernels.Tensor // [B, 3, S, S]
	classes, patchRows kernels.Tensor // Int32: the class rows and the patch rows of [B*L, D]
	tokens             tokenMemory
	x                  []kernels.Tensor // [B*L, D], the input of each block
	blocks             []blockMemory    // all blocks but the last
	class              classPath

	rows, value kernels.Tensor // [B*G, D]: the patch rows before and after the last block
	masker      maskerMemory
	patches     projectionMemory
	average     kernels.Tensor // [B, B*G], constant: takes the mean over each image's patches
	mean        kernels.Tensor // [B, E]

	second         secondGradients
	dx, dpatchRows kernels.Tensor // [B*L, D], [B*G, D]
	dclass         kernels.Tensor // [B, D]
	dembed         kernels.Tensor // [B, E]
	dpatches       kernels.Tensor // [B*G, E]
	dtokens        kernels.Tensor // [B, L, D]
	scratch        scratch
}

// classPath is the class row's way through the last block and the projection.
type classPath struct {
	block classMemory
	out   kernels.Tensor // [B, D]
	end   projectionMemory
}

// secondGradients are those of the weights that two paths share, from the patches' path: Device operations overwrite.
type secondGradients struct {
	flat  kernels.Tensor
	block block
	end   projection
	pairs [][2]kernels.Tensor // where each is added to, and itself
}

func newImagePretraining(a *arena, cfg Config, batch int, tower, grads imageTower) imagePretraining {
	width, embed, tokens, patches := cfg.Vision.Width, cfg.Vision.Embed, cfg.tokens(), cfg.patches()
	rows := batch * tokens
	shared := newBlockMemory(a, rows, width)
	p := imagePretraining{
		tower: tower, grads: grads,
		input:   a.floats(batch, 3, cfg.Vision.Image, cfg.Vision.Image),
		classes: a.rows(batch, 0, tokens), patchRows: a.alloc(kernels.Int32, batch*patches),
		tokens: newTokenMemory(a, batch, patches, cfg.Vision.Patch, width).keeping(a),
		class: classPath{
			block: newClassMemory(a, shared, tower.classAttention(batch, tokens)),
			out:   a.floats(batch, width), end: newProjectionMemory(a, batch, width, embed).keeping(a),
		},
		rows: a.floats(batch*patches, width), value: a.floats(batch*patches, width),
		masker:  newMaskerMemory(a, batch*patches, width).keeping(a),
		patches: newProjectionMemory(a, batch*patches, width, embed).keeping(a),
		average: a.floats(batch, batch*patches), mean: a.floats(batch, embed),
		second: newSecondGradients(a, cfg, grads),
		dx:     a.floats(rows, width), dpatchRows: a.floats(batch*patches, width),
		dclass: a.floats(batch, width), dembed: a.floats(batch, embed), dpatches: a.floats(batch*patches, embed),
		dtokens: a.floats(batch, tokens, width), scratch: newScratch(a, rows, width),
	}
	for range tower.blocks {
		p.x = append(p.x, a.floats(rows, width))
	}
	for range len(tower.blocks) - 1 {
		p.blocks = append(p.blocks, shared.keepingAll(a, tower.attention(batch, tokens)))
	}
	a.dev.Upload(p.patchRows, patchRows(batch, tokens))
	a.dev.Upload(p.average, averaging(batch, patches))
	return p
}

// averaging returns the matrix [batch, batch*n] whose product takes means over n consecutive rows.
func averaging(batch, n int) []float32 {
	m := make([]float32, batch*batch*n)
	for b := range batch {
		fill(m[(b*batch+b)*n:][:n], 1/float32(n))
	}
	return m
}

func newSecondGradients(a *arena, cfg Config, grads imageTower) secondGradients {
	prefix := imageBlockPrefix(cfg.Vision.Layers - 1)
	list := append(blockParameters(prefix, cfg.Vision.Width), normParameters("visual.ln_post.", cfg.Vision.Width)...)
	list = append(list, Parameter{"visual.proj", []int{cfg.Vision.Width, cfg.Vision.Embed}})
	n := 0
	for _, p := range list {
		n += p.Len()
	}
	flat := a.floats(n)
	get := viewsOf(flat, list)
	s := secondGradients{flat: flat, block: newBlock(get, prefix, cfg.Vision.Activation), end: projection{newNorm(get, "visual.ln_post."), get("visual.proj")}}
	firsts := append(grads.last().tensors(), grads.end.tensors()...)
	for i, t := range append(s.block.tensors(), s.end.tensors()...) {
		s.pairs = append(s.pairs, [2]kernels.Tensor{firsts[i], t})
	}
	return s
}

func (b *block) tensors() []kernels.Tensor {
	list := []kernels.Tensor{b.ln1.gamma, b.ln1.beta, b.ln2.gamma, b.ln2.beta}
	for _, l := range []linear{b.in, b.out, b.fc, b.proj} {
		list = append(list, l.weight, l.bias)
	}
	return list
}

func (p *projection) tensors() []kernels.Tensor {
	return []kernels.Tensor{p.norm.gamma, p.norm.beta, p.matrix}
}

// forward computes class.end.out [B, E], patches.out [B*G, E] and mean [B, E].
func (p *imagePretraining) forward(dev kernels.Device, images []float32) {
	t, batch := &p.tower, p.classes.Len()
	tokens := p.x[0].Rows() / batch
	dev.Upload(p.input, images)
	t.embed(dev, p.x[0], p.input, t.position, p.tokens)
	for i := range p.blocks {
		t.blocks[i].forward(dev, p.x[i+1], p.x[i], p.blocks[i], t.attention(batch, tokens))
	}
	trunk := p.x[len(p.x)-1]
	t.last().classRow(dev, p.class.out, trunk, p.classes, p.class.block, t.classAttention(batch, tokens))
	t.end.forward(dev, p.class.out, p.class.end)

	dev.GatherRows(p.rows, trunk, p.patchRows)
	t.last().valueOnly(dev, p.value, p.rows, p.masker)
	t.end.forward(dev, p.value, p.patches)
	dev.MatMul(p.mean, p.average, p.patches.out, kernels.MatMul{})
}

// backward fills grads, which hold zeros, from the gradients [B, E] of class.end.out and mean.
func (p *imagePretraining) backward(dev kernels.Device, dclass, dmean []float32) {
	last := len(p.x) - 1
	p.backwardClass(dev, dclass)
	p.backwardPatches(dev, dmean)
	batch := p.classes.Len()
	s := p.tower.attention(batch, p.x[0].Rows()/batch)
	for i := last - 1; i >= 0; i-- {
		p.tower.blocks[i].gradients(dev, p.dx, p.x[i], p.blocks[i], &p.grads.blocks[i], s, p.scratch)
	}
	p.backwardTokens(dev)
}

// backwardClass sets dx to the class row's part of the gradient of the last block's input.
func (p *imagePretraining) backwardClass(dev kernels.Device, dclass []float32) {
	t, batch, trunk := &p.tower, p.classes.Len(), p.x[len(p.x)-1]
	dev.Upload(p.dembed, dclass)
	dnormed := p.scratch.narrow.View(0, batch, trunk.Cols())
	t.end.backward(dev, p.dclass, p.dembed, p.class.out, p.class.end, &p.grads.end, dnormed)
	t.last().classRowGradients(dev, p.dx, p.dclass, trunk, p.classes, p.class.block, p.grads.last(),
		t.classAttention(batch, trunk.Rows()/batch), p.scratch)
}

// backwardPatches adds the patch rows' part to dx and to the gradients of the weights that both parts share.
func (p *imagePretraining) backwardPatches(dev kernels.Device, dmean []float32) {
	t, s := &p.tower, &p.second
	dev.Zero(s.flat)
	dev.Upload(p.dembed, dmean)
	dev.MatMul(p.dpatches, p.average, p.dembed, kernels.MatMul{TransA: true})
	dnormed := p.scratch.narrow.View(0, p.rows.Rows(), p.rows.Cols())
	t.end.backward(dev, p.dpatchRows, p.dpatches, p.value, p.patches, &s.end, dnormed)
	t.last().valueOnlyWeightGradients(dev, p.dpatchRows, p.rows, p.masker, &s.block, p.scratch)
	dev.ScatterRows(p.dx, p.dpatchRows, p.patchRows)
	for _, pair := range s.pairs {
		dev.AddTo(pair[0], pair[1])
	}
}

// backwardTokens goes from dx, by now the gradient of the first block's input, to the embedding's weights.
func (p *imagePretraining) backwardTokens(dev kernels.Device) {
	g := &p.grads
	dev.Zero(p.dtokens)
	dev.LayerNormBackward(p.dtokens, g.pre.gamma, g.pre.beta, p.dx, p.tokens.tokens, p.tokens.stats, p.tower.pre.gamma)
	dev.ImageTokensBackward(p.dpatchRows, g.class, g.position, p.dtokens)
	dev.MatMul(g.conv, p.dpatchRows, p.tokens.unfolded, kernels.MatMul{TransA: true})
}
