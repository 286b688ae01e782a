package tcl

import "github.com/textground/textground/kernels"

// training is the device memory of training steps.
type training struct {
	batch, global int
	m1, m2        kernels.Tensor // AdamW's moments, flat, of all trainable parameters
	grads         kernels.Tensor // a lane's gradient, then the reduced one, flat
	gradients     grounder       // views of grads
	squared       kernels.Tensor // Float64 [1]

	classes, patchRows kernels.Tensor // Int32: the class rows and the patch rows of [B*L, D]

	trunk  blockMemory    // of the unmasked pass, which keeps nothing
	tokens tokenMemory    // of the unmasked pass
	masked kernels.Tensor // [B, 3, S, S]: images times hard masks

	sets      []*activations   // grows while KeepBytes lasts
	results   []kernels.Tensor // Float64 [2N+4], free ones
	newResult func() kernels.Tensor
	newSet    func() *activations
	setBytes  int64 // size of a set, known from the first
	room      int64 // for all sets
	clock     int   // counts forward computations

	backward backwardScratch
}

// activations is what one pass keeps for its backward pass.
type activations struct {
	owner *Pass
	made  int // by the training's clock

	images kernels.Tensor // [B, 3, S, S]
	noise  kernels.Tensor // [B, P]
	texts  kernels.Tensor // [N, E]

	trunk   kernels.Tensor // [B*L, D], the output of all blocks but the last
	rows    kernels.Tensor // [B*G, D], its patch rows
	masker  maskerMemory
	decoder decoderMemory
	pixels  projectionMemory // out is v [B*P, E]
	hard    kernels.Tensor   // h [B, P]
	soft    kernels.Tensor   // y [B, P]
	tower   towerMemory      // of the masked images
	scoresV kernels.Tensor   // S_v [B, N]
	scoresF kernels.Tensor   // S_f [B, N]
}

// backwardScratch is the working space of a backward pass.
type backwardScratch struct {
	columns            kernels.Tensor // Float64 [2N]
	losses             kernels.Tensor // Float64 [2]: InfoNCE of S_v and of S_f
	dscoresV, dscoresF kernels.Tensor // [B, N]
	dimages            kernels.Tensor // [B, 3, S, S]
	dhard              kernels.Tensor // [B, P]
	dpixels            kernels.Tensor // [B*P, E]
	tower              towerScratch
	decoder            decoderScratch
}

func newTraining(m *Model) *training {
	a, cfg := m.memory, m.cfg
	b, n := m.options.MicroBatch, m.options.GlobalBatch
	rows, width, side := b*cfg.tokens(), cfg.Vision.Width, cfg.Vision.Image
	t := &training{
		batch: b, global: n, room: m.options.KeepBytes,
		m1: a.floats(m.layout.len), m2: a.floats(m.layout.len), grads: a.floats(m.layout.len), squared: a.doubles(1),
		classes: a.rows(b, 0, cfg.tokens()), patchRows: a.alloc(kernels.Int32, b*cfg.patches()),
		trunk:  newBlockMemory(a, rows, width),
		tokens: newTokenMemory(a, b, cfg.patches(), cfg.Vision.Patch, width),
		masked: a.floats(b, 3, side, side),
	}
	m.dev.Upload(t.patchRows, patchRows(b, cfg.tokens()))
	t.gradients = newGrounder(m.layout.views(t.grads), cfg)
	t.newResult = func() kernels.Tensor { return a.doubles(2*n + 4) }
	t.newSet = func() *activations {
		before := a.bytes()
		set := newActivations(m, t)
		t.setBytes = a.bytes() - before
		return set
	}
	t.backward = newBackwardScratch(m, t)
	return t
}

// patchRows lists the rows of [batch*tokens, D] that are no class rows.
func patchRows(batch, tokens int) []int32 {
	var list []int32
	for row := range batch * tokens {
		if row%tokens != 0 {
			list = append(list, int32(row))
		}
	}
	return list
}

func newActivations(m *Model, t *training) *activations {
	a, cfg := m.memory, m.cfg
	b, n, g := t.batch, t.global, cfg.grid()
	width, embed, side, p := cfg.Vision.Width, cfg.Vision.Embed, cfg.Vision.Image, cfg.Positions()
	return &activations{
		images: a.floats(b, 3, side, side), noise: a.floats(b, p), texts: a.floats(n, embed),
		trunk: a.floats(b*cfg.tokens(), width), rows: a.floats(b*cfg.patches(), width),
		masker: newMaskerMemory(a, b*cfg.patches(), width).keeping(a), decoder: newDecoderMemory(a, b, g, g, width, true),
		pixels: newProjectionMemory(a, b*p, width, embed).keeping(a),
		hard:   a.floats(b, p), soft: a.floats(b, p),
		tower:   newTowerMemory(a, &m.image, t.tokens, t.trunk, b, embed),
		scoresV: a.floats(b, n), scoresF: a.floats(b, n),
	}
}

func newBackwardScratch(m *Model, t *training) backwardScratch {
	a, cfg := m.memory, m.cfg
	b, n, p, side := t.batch, t.global, cfg.Positions(), cfg.Vision.Image
	width, embed := cfg.Vision.Width, cfg.Vision.Embed
	return backwardScratch{
		columns: a.doubles(2 * n), losses: a.doubles(2), dscoresV: a.floats(b, n), dscoresF: a.floats(b, n),
		dimages: a.floats(b, 3, side, side), dhard: a.floats(b, p), dpixels: a.floats(b*p, embed),
		tower:   newTowerScratch(a, newScratch(a, b*cfg.tokens(), width), t.tokens, embed),
		decoder: newDecoderScratch(a, b*p, width),
	}
}

// claim gives p a set of activations: a free one, a new one while there is room for it, or else that of the pass that was
// computed last, whose turn in the backward pass comes last too.
func (t *training) claim(p *Pass) *activations {
	t.clock++
	set := t.vacant()
	if set.owner != nil {
		set.owner.kept = nil
	}
	set.owner, set.made = p, t.clock
	return set
}

func (t *training) vacant() *activations {
	var newest *activations
	for _, set := range t.sets {
		if set.owner == nil {
			return set
		}
		if newest == nil || set.made > newest.made {
			newest = set
		}
	}
	if len(t.sets) == 0 || int64(len(t.sets)+1)*t.setBytes <= t.room {
		t.sets = append(t.sets, t.newSet())
		return t.sets[len(t.sets)-1]
	}
	return newest
}

// takeResult returns a tensor for the numbers that a pass hands out.
func (t *training) takeResult() kernels.Tensor {
	if len(t.results) == 0 {
		return t.newResult()
	}
	last := t.results[len(t.results)-1]
	t.results = t.results[:len(t.results)-1]
	return last
}
