package cliptrain

import (
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/internal/philox"
)

// Lanes of the random stream CLIPData, so that no two purposes share a number.
const (
	laneEasyOrder = iota
	laneOrder
	laneImages
	laneTemplates
)

// batch is what a step is computed from: B pairs, then the K concepts as texts.
type batch struct {
	images   []float32 // [B, 3, S, S]
	tokens   [][]int32 // [B+K][context]
	concepts [][]bool  // [B][K]
}

// maker makes batches; each is a pure function of recipe, set and step.
type maker struct {
	recipe    *Recipe
	set       *Set
	tokenizer *dataset.Tokenizer
	key       philox.Key
	order     map[[2]int][]int // by lane and epoch, the latest only
}

func newMaker(r *Recipe, set *Set, tokenizer *dataset.Tokenizer) *maker {
	return &maker{recipe: r, set: set, tokenizer: tokenizer, key: philox.NewKey(r.Seed, philox.CLIPData)}
}

func (m *maker) batch(step int) (*batch, error) {
	size := m.recipe.Vision.Image
	values := 3 * size * size
	b := &batch{images: make([]float32, m.recipe.Batch*values)}
	var g errgroup.Group
	for i, place := range m.places(step) {
		p := m.set.pairs[place]
		b.tokens, b.concepts = append(b.tokens, p.tokens), append(b.concepts, p.concepts)
		g.Go(func() error {
			return m.image(b.images[i*values:(i+1)*values], p.image, m.key.Stream(uint32(step), laneImages, uint32(i)))
		})
	}
	b.tokens = append(b.tokens, m.conceptTokens(step)...)
	return b, g.Wait()
}

// places returns the pairs of a step: epochs run on through steps, each with an order of its own.
func (m *maker) places(step int) []int {
	lane, n := laneOrder, len(m.set.pairs)
	if easy := m.recipe.Easy.Steps; step < easy {
		lane, n = laneEasyOrder, len(m.set.easy)
	} else {
		step -= easy
	}
	places := make([]int, m.recipe.Batch)
	for i := range places {
		q := step*m.recipe.Batch + i
		places[i] = m.permutation(lane, q/n, n)[q%n]
		if lane == laneEasyOrder {
			places[i] = m.set.easy[places[i]]
		}
	}
	return places
}

func (m *maker) permutation(lane, epoch, n int) []int {
	at := [2]int{lane, epoch}
	if m.order[at] == nil {
		m.order = map[[2]int][]int{at: m.key.Stream(uint32(epoch), uint32(lane), 0).Perm(n)}
	}
	return m.order[at]
}

// image decodes a picture and writes a view of it, perhaps with holes.
func (m *maker) image(dst []float32, data []byte, r *philox.Stream) error {
	img, err := dataset.DecodeImage(data)
	if err != nil {
		return fmt.Errorf("image of a batch: %w", err)
	}
	size := m.recipe.Vision.Image
	dataset.Augment(dst, img, size, m.recipe.augment(), r)
	if h := m.recipe.Data.Holes; r.Chance(h.Chance) {
		punch(dst, size, h, r)
	}
	return nil
}

// punch sets blocks of dst [3, size, size] to 0, the mean colour.
func punch(dst []float32, size int, h Holes, r *philox.Stream) {
	share := r.Range(0, h.Most)
	for y := 0; y < size; y += h.Side {
		for x := 0; x < size; x += h.Side {
			if !r.Chance(share) {
				continue
			}
			for c := range 3 {
				for row := y; row < min(y+h.Side, size); row++ {
					clear(dst[(c*size+row)*size:][x:min(x+h.Side, size)])
				}
			}
		}
	}
}

// conceptTokens puts every concept into a template of its own.
func (m *maker) conceptTokens(step int) [][]int32 {
	r := m.key.Stream(uint32(step), laneTemplates, 0)
	templates := m.recipe.Concepts.Templates
	tokens := make([][]int32, len(m.recipe.Concepts.Phrases))
	for i, phrase := range m.recipe.Concepts.Phrases {
		tokens[i] = m.tokenizer.Encode(strings.Replace(templates[r.Intn(len(templates))], "{}", phrase, 1))
	}
	return tokens
}

// plain returns the first n images of the set as they are, [n, 3, S, S], and their captions' tokens.
func (m *maker) plain(n int) ([]float32, [][]int32, error) {
	size := m.recipe.Vision.Image
	images := make([]float32, n*3*size*size)
	var tokens [][]int32
	for i, p := range m.set.pairs[:n] {
		tokens = append(tokens, p.tokens)
		if err := plainImage(images[i*3*size*size:][:3*size*size], p.image, size); err != nil {
			return nil, nil, err
		}
	}
	return images, tokens, nil
}

func plainImage(dst []float32, data []byte, size int) error {
	img, err := dataset.DecodeImage(data)
	if err != nil {
		return err
	}
	dataset.Augment(dst, img, size, dataset.NoAugment(), philox.NewKey(0, philox.CLIPData).Stream(0, 0, 0))
	return nil
}
