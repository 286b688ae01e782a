package tcl

import "github.com/textground/textground/kernels"

// textPretraining is the text tower with all its gradients.
type textPretraining struct {
	tower, grads textTower

	tokens, ends kernels.Tensor   // Int32 [T*context], [T]
	x            []kernels.Tensor // [T*context, W], the input of each block and the last one's output
	blocks       []blockMemory
	end          kernels.Tensor // [T, W]
	out          projectionMemory

	dx      kernels.Tensor // [T*context, W]
	dend    kernels.Tensor // [T, W]
	dembed  kernels.Tensor // [T, E]
	scratch scratch

	pass textPass
}

// textPass is what the latest forward pass used of the memory: captions are cut to the longest.
type textPass struct {
	shape     kernels.AttentionShape
	ids, ends kernels.Tensor
	x         []kernels.Tensor
	blocks    []blockMemory
	last      kernels.Tensor
	end       projectionMemory
}

func newTextPretraining(a *arena, cfg Config, texts int, tower, grads textTower) textPretraining {
	rows, width := texts*cfg.Text.Context, cfg.Text.Width
	p := textPretraining{
		tower: tower, grads: grads,
		tokens: a.alloc(kernels.Int32, rows), ends: a.alloc(kernels.Int32, texts),
		end: a.floats(texts, width), out: newProjectionMemory(a, texts, width, cfg.Vision.Embed).keeping(a),
		dx: a.floats(rows, width), dend: a.floats(texts, width), dembed: a.floats(texts, cfg.Vision.Embed), scratch: newScratch(a, rows, width),
	}
	shared := newBlockMemory(a, rows, width)
	whole := kernels.AttentionShape{Batch: texts, Heads: tower.heads, Queries: cfg.Text.Context, Keys: cfg.Text.Context, Causal: true}
	for range tower.blocks {
		p.blocks = append(p.blocks, shared.keepingAll(a, whole))
	}
	for range len(tower.blocks) + 1 {
		p.x = append(p.x, a.floats(rows, width))
	}
	return p
}

// cut returns the memory of a pass over the first captions.
func (p *textPretraining) cut(count, length int) textPass {
	rows := count * length
	pass := textPass{
		shape: kernels.AttentionShape{Batch: count, Heads: p.tower.heads, Queries: length, Keys: length, Causal: true},
		ids:   p.tokens.View(0, count, length), ends: p.ends.View(0, count), last: p.end.RowRange(0, count),
		end: projectionMemory{stats: p.out.stats.RowRange(0, count), normed: p.out.normed.RowRange(0, count), out: p.out.out.RowRange(0, count)},
	}
	for _, x := range p.x {
		pass.x = append(pass.x, x.RowRange(0, rows))
	}
	for _, b := range p.blocks {
		pass.blocks = append(pass.blocks, b.keptRows(pass.shape))
	}
	return pass
}

// forward computes pass.end.out [T, E].
func (p *textPretraining) forward(dev kernels.Device, tokens [][]int32) {
	cut, ends, length := cutTokens(tokens)
	p.pass = p.cut(len(tokens), length)
	pass, t := &p.pass, &p.tower
	dev.Upload(pass.ids, cut)
	dev.Upload(pass.ends, ends)
	dev.EmbedTokens(pass.x[0].Reshape(len(tokens), length, pass.x[0].Cols()), pass.ids, t.table, t.position)
	for i := range t.blocks {
		t.blocks[i].forward(dev, pass.x[i+1], pass.x[i], pass.blocks[i], pass.shape)
	}
	dev.GatherRows(pass.last, pass.x[len(t.blocks)], pass.ends)
	t.end.forward(dev, pass.last, pass.end)
}

// backward fills grads, which hold zeros, from the gradient [T, E] of pass.end.out.
func (p *textPretraining) backward(dev kernels.Device, dtexts []float32) {
	pass, t := &p.pass, &p.tower
	count, length, width := pass.shape.Batch, pass.shape.Queries, p.dx.Cols()
	dx, dend, dembed := p.dx.RowRange(0, count*length), p.dend.RowRange(0, count), p.dembed.RowRange(0, count)
	dev.Upload(dembed, dtexts)
	t.end.backward(dev, dend, dembed, pass.last, pass.end, &p.grads.end, p.scratch.narrow.View(0, count, width))
	dev.Zero(dx)
	dev.ScatterRows(dx, dend, pass.ends)
	for i := len(t.blocks) - 1; i >= 0; i-- {
		t.blocks[i].gradients(dev, dx, pass.x[i], pass.blocks[i], &p.grads.blocks[i], pass.shape, p.scratch)
	}
	dev.EmbedTokensBackward(p.grads.table, p.grads.position, dx.Reshape(count, length, width), pass.ids)
}
