package tcl

import "github.com/textground/textground/kernels"

// imageTower is CLIP's frozen image encoder (tcl-spec section 1).
type imageTower struct {
	patch    int
	conv     kernels.Tensor // [D, 3*patch*patch]
	class    kernels.Tensor // [D]
	position kernels.Tensor // [L, D]
	pre      norm
	heads    int
	blocks   []block
	end      projection // ln_post and proj
}

func newImageTower(get lookup, v Vision) imageTower {
	t := imageTower{
		patch: v.Patch, conv: get("visual.conv1.weight").Reshape(v.Width, 3*v.Patch*v.Patch),
		class: get("visual.class_embedding"), position: get("visual.positional_embedding"),
		pre: newNorm(get, "visual.ln_pre."), heads: v.Heads,
		end: projection{newNorm(get, "visual.ln_post."), get("visual.proj")},
	}
	for i := range v.Layers {
		t.blocks = append(t.blocks, newBlock(get, imageBlockPrefix(i), v.Activation))
	}
	return t
}

// attention describes full attention over tokens rows an image.
func (t *imageTower) attention(batch, tokens int) kernels.AttentionShape {
	return kernels.AttentionShape{Batch: batch, Heads: t.heads, Queries: tokens, Keys: tokens}
}

// classAttention describes that of the class row.
func (t *imageTower) classAttention(batch, tokens int) kernels.AttentionShape {
	return kernels.AttentionShape{Batch: batch, Heads: t.heads, Queries: 1, Keys: tokens}
}

// last returns the block whose full form only masked images pass.
func (t *imageTower) last() *block { return &t.blocks[len(t.blocks)-1] }

// tokenMemory holds what turns images into the first block's input.
type tokenMemory struct {
	unfolded kernels.Tensor // [B*G, 3*patch*patch]
	patches  kernels.Tensor // [B*G, D]
	tokens   kernels.Tensor // [B, L, D]
	stats    kernels.Tensor // [B*L, 2]; absent where no gradient is wanted
}

func newTokenMemory(a *arena, batch, patches, patch, width int) tokenMemory {
	return tokenMemory{
		unfolded: a.floats(batch*patches, 3*patch*patch), patches: a.floats(batch*patches, width),
		tokens: a.floats(batch, 1+patches, width),
	}
}

// keeping returns memory that shares the patches and keeps what the gradient of the images needs.
func (m tokenMemory) keeping(a *arena) tokenMemory {
	m.tokens = a.floats(m.tokens.Shape...)
	m.stats = a.floats(m.tokens.Rows(), 2)
	return m
}

// embed computes x [B*L, D] from images [B, 3, h, w].
func (t *imageTower) embed(dev kernels.Device, x, images, position kernels.Tensor, m tokenMemory) {
	dev.Patches(m.unfolded, images, t.patch)
	dev.MatMul(m.patches, m.unfolded, t.conv, kernels.MatMul{TransB: true})
	dev.ImageTokens(m.tokens, m.patches, t.class, position)
	dev.LayerNorm(x, m.stats, m.tokens, t.pre.gamma, t.pre.beta)
}

// trunk computes x [B*L, D], the output of all blocks but the last, from images.
func (t *imageTower) trunk(dev kernels.Device, x, images, position kernels.Tensor, tokens tokenMemory, m blockMemory, s kernels.AttentionShape) {
	t.embed(dev, x, images, position, tokens)
	for i := range len(t.blocks) - 1 {
		t.blocks[i].forward(dev, x, x, m, s)
	}
}

// towerMemory holds what a pass through the whole tower keeps for the gradient of its images.
type towerMemory struct {
	tokens tokenMemory
	x      []kernels.Tensor // [B*L, D], the input of each block
	blocks []blockMemory    // all blocks but the last
	last   classMemory
	class  kernels.Tensor // [B, D], the last block's output
	end    projectionMemory
}

func newTowerMemory(a *arena, t *imageTower, tokens tokenMemory, shared blockMemory, batch int, embed int) towerMemory {
	rows, width := shared.normed.Rows(), shared.normed.Cols()
	m := towerMemory{
		tokens: tokens.keeping(a), last: newClassMemory(a, shared, t.classAttention(batch, rows/batch)),
		class: a.floats(batch, width), end: newProjectionMemory(a, batch, width, embed).keeping(a),
	}
	for range t.blocks {
		m.x = append(m.x, a.floats(rows, width))
	}
	for range len(t.blocks) - 1 {
		m.blocks = append(m.blocks, shared.keeping(a, t.attention(batch, rows/batch)))
	}
	return m
}

// classEmbedding computes m.end.out [B, E] from images; classes names the class rows.
func (t *imageTower) classEmbedding(dev kernels.Device, images, classes kernels.Tensor, m towerMemory) {
	batch := classes.Len()
	tokens := m.x[0].Rows() / batch
	t.embed(dev, m.x[0], images, t.position, m.tokens)
	for i := range m.blocks {
		t.blocks[i].forward(dev, m.x[i+1], m.x[i], m.blocks[i], t.attention(batch, tokens))
	}
	t.last().classRow(dev, m.class, m.x[len(m.x)-1], classes, m.last, t.classAttention(batch, tokens))
	t.end.forward(dev, m.class, m.end)
}

// towerScratch is the working space of imageGradient.
type towerScratch struct {
	scratch
	dx           kernels.Tensor // [B*L, D]
	class        kernels.Tensor // [B, D]
	dpatches     kernels.Tensor // [B*G, D]
	dunfolded    kernels.Tensor // [B*G, 3*patch*patch]
	dembed       kernels.Tensor // [B, E]
	dtokens      kernels.Tensor // [B, L, D]
	dclassNormed kernels.Tensor // [B, D]
}

func newTowerScratch(a *arena, s scratch, tokens tokenMemory, embed int) towerScratch {
	batch, length, width := tokens.tokens.Shape[0], tokens.tokens.Shape[1], tokens.tokens.Shape[2]
	return towerScratch{
		scratch: s, dx: a.floats(batch*length, width), class: a.floats(batch, width),
		dpatches: tokens.patches, dunfolded: tokens.unfolded, dembed: a.floats(batch, embed),
		dtokens: a.floats(batch, length, width), dclassNormed: a.floats(batch, width),
	}
}

// imageGradient computes dimages [B, 3, S, S] from s.dembed, the gradient of classEmbedding's output, through frozen CLIP.
func (t *imageTower) imageGradient(dev kernels.Device, dimages, classes kernels.Tensor, m towerMemory, s towerScratch) {
	batch := classes.Len()
	tokens := m.x[0].Rows() / batch
	t.end.backward(dev, s.class, s.dembed, m.class, m.end, &projection{}, s.dclassNormed)
	last := len(m.x) - 1
	t.last().classRowInputGradient(dev, s.dx, s.class, m.x[last], classes, m.last, t.classAttention(batch, tokens), s.scratch)
	for i := last - 1; i >= 0; i-- {
		t.blocks[i].inputGradient(dev, s.dx, m.x[i], m.blocks[i], t.attention(batch, tokens), s.scratch)
	}
	dev.Zero(s.dtokens)
	dev.LayerNormBackward(s.dtokens, kernels.Tensor{}, kernels.Tensor{}, s.dx, m.tokens.tokens, m.tokens.stats, t.pre.gamma)
	dev.ImageTokensBackward(s.dpatches, kernels.Tensor{}, kernels.Tensor{}, s.dtokens)
	dev.MatMul(s.dunfolded, s.dpatches, t.conv, kernels.MatMul{})
	dev.PatchesBackward(dimages, s.dunfolded, t.patch)
}
