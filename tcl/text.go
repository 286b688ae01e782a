package tcl

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

// textTower is CLIP's frozen text encoder (tcl-spec section 1).
type textTower struct {
	table, position kernels.Tensor // [vocabulary, W], [context, W]
	heads           int
	blocks          []block
	end             projection // ln_final and text_projection
}

func newTextTower(get lookup, t Text) textTower {
	tower := textTower{
		table: get("token_embedding.weight"), position: get("positional_embedding"), heads: t.Heads,
		end: projection{newNorm(get, "ln_final."), get("text_projection")},
	}
	for i := range t.Layers {
		tower.blocks = append(tower.blocks, newBlock(get, textBlockPrefix(i), t.Activation))
	}
	return tower
}

// textMemory is the working space for up to batch captions.
type textMemory struct {
	batch  int
	tokens kernels.Tensor // Int32 [batch*context]
	ends   kernels.Tensor // Int32 [batch]
	x      kernels.Tensor // [batch*context, W]
	block  blockMemory
	end    kernels.Tensor // [batch, W]: the rows of the end tokens
	out    projectionMemory
}

func newTextMemory(a *arena, batch int, cfg Config) textMemory {
	rows, width := batch*cfg.Text.Context, cfg.Text.Width
	return textMemory{
		batch: batch, tokens: a.alloc(kernels.Int32, rows), ends: a.alloc(kernels.Int32, batch), x: a.floats(rows, width),
		block: newBlockMemory(a, rows, width), end: a.floats(batch, width), out: newProjectionMemory(a, batch, width, cfg.Vision.Embed),
	}
}

// EmbedTexts returns the raw embeddings [len(tokens), E] of captions, each of the context's length. Captions are cut to
// the longest end token of the call (of every MicroBatch captions, when there are more), which changes no number: in causal
// attention later tokens cannot matter. For training, a call holds the captions of exactly one lane.
func (m *Model) EmbedTexts(tokens [][]int32) ([]float32, error) {
	if err := m.checkTokens(tokens); err != nil {
		return nil, err
	}
	e := m.cfg.Vision.Embed
	out := make([]float32, len(tokens)*e)
	for from := 0; from < len(tokens); from += m.texts.batch {
		to := min(from+m.texts.batch, len(tokens))
		result := m.embedTexts(tokens[from:to])
		if err := m.dev.Download(out[from*e:to*e], result); err != nil {
			return nil, fmt.Errorf("text embeddings: %w", err)
		}
	}
	return out, nil
}

// embedTexts enqueues the text tower for at most a memory's batch of captions and returns their embeddings.
func (m *Model) embedTexts(tokens [][]int32) kernels.Tensor {
	t, mem := &m.text, m.texts
	cut, ends, length := cutTokens(tokens)
	rows := len(tokens) * length
	ids, endRows := mem.tokens.View(0, len(tokens), length), mem.ends.View(0, len(tokens))
	m.dev.Upload(ids, cut)
	m.dev.Upload(endRows, ends)

	x, block := mem.x.RowRange(0, rows), mem.block.rows(rows)
	m.dev.EmbedTokens(x.Reshape(len(tokens), length, x.Cols()), ids, t.table, t.position)
	for i := range t.blocks {
		t.blocks[i].forward(m.dev, x, x, block, kernels.AttentionShape{
			Batch: len(tokens), Heads: t.heads, Queries: length, Keys: length, Causal: true})
	}
	end := mem.end.RowRange(0, len(tokens))
	m.dev.GatherRows(end, x, endRows)
	out := projectionMemory{normed: mem.out.normed.RowRange(0, len(tokens)), out: mem.out.out.RowRange(0, len(tokens))}
	t.end.forward(m.dev, end, out)
	return out.out
}

// cutTokens cuts captions to the longest end token among them: rows of length ids, and the row of each end token.
func cutTokens(tokens [][]int32) (cut, ends []int32, length int) {
	for _, caption := range tokens {
		length = max(length, endToken(caption)+1)
	}
	for i, caption := range tokens {
		cut = append(cut, caption[:length]...)
		ends = append(ends, int32(i*length+endToken(caption)))
	}
	return cut, ends, length
}

// endToken finds the end token: the first of the highest ids.
func endToken(caption []int32) int {
	end := 0
	for i, id := range caption {
		if id > caption[end] {
			end = i
		}
	}
	return end
}

func (m *Model) checkTokens(tokens [][]int32) error { return checkTokens(m.cfg.Text, tokens) }

func checkTokens(t Text, tokens [][]int32) error {
	for i, caption := range tokens {
		if len(caption) != t.Context {
			return fmt.Errorf("caption %d has %d tokens, but the model's context is %d: use the tokenizer of this model", i, len(caption), t.Context)
		}
		for _, id := range caption {
			if id < 0 || int(id) >= t.Vocab {
				return fmt.Errorf("caption %d holds token %d, but the model's vocabulary has %d: use the vocabulary of this model", i, id, t.Vocab)
			}
		}
	}
	return nil
}
