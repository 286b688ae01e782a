package cliptrain

import (
	"math"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/tcl"
)

// Measures are shares of right answers on held-out scenes of the world.
type Measures struct {
	Noun    float64 `json:"noun_top1"`      // the class token names the largest object, among the world's nouns
	Caption float64 `json:"caption_r1_128"` // the class token finds its caption among 128
	Patch   float64 `json:"patch_top1"`     // patches that one object mostly covers name it
}

const (
	captionsAtOnce = 128 // among which a caption is sought
	covered        = 0.6 // share of a patch that an object must cover to be asked for
)

// held is the held-out scenes, in passes of the recipe's batch.
type held struct {
	scenes  []world.Scene
	images  []float32 // [n, 3, S, S]
	tokens  [][]int32
	prompts [][]int32 // the templates of every noun, noun after noun
}

// drawHeld draws the recipe's evaluation scenes, or returns nil where it trains on other data or wants none.
func drawHeld(r *Recipe, tokenizer *dataset.Tokenizer) (*held, error) {
	n := r.Evaluation.Scenes / r.Batch * r.Batch
	if r.Data.World == nil || n == 0 || r.Vision.Image != world.Size {
		return nil, nil
	}
	values := 3 * world.Size * world.Size
	h := &held{images: make([]float32, n*values)}
	for i := range n {
		scene := world.Draw(r.Evaluation.Seed, world.EvalFirst+i)
		if err := plainImage(h.images[i*values:(i+1)*values], scene.JPEG(), world.Size); err != nil {
			return nil, err
		}
		h.scenes = append(h.scenes, scene)
		h.tokens = append(h.tokens, tokenizer.Encode(scene.Caption))
	}
	for _, noun := range world.Nouns {
		for _, prompt := range world.Prompts(noun) {
			h.prompts = append(h.prompts, tokenizer.Encode(prompt))
		}
	}
	return h, nil
}

// measure computes all figures with the weights as they are.
func (h *held) measure(p *tcl.Pretrainer, r *Recipe) (*Measures, error) {
	embed := r.Vision.Embed
	nouns, err := h.nouns(p, r)
	if err != nil {
		return nil, err
	}
	var classes, captions []float32
	var right, asked int
	values := len(h.images) / len(h.scenes) * r.Batch
	for first := 0; first < len(h.scenes); first += r.Batch {
		f, err := p.Forward(h.images[first/r.Batch*values:][:values], h.tokens[first:first+r.Batch])
		if err != nil {
			return nil, err
		}
		patches, err := p.PatchFeatures()
		if err != nil {
			return nil, err
		}
		classes, captions = append(classes, f.Class...), append(captions, f.Texts...)
		good, all := h.patches(newRows(patches, embed), nouns, first, r)
		right, asked = right+good, asked+all
	}
	images := newRows(classes, embed)
	return &Measures{
		Noun:    h.namedRight(images, nouns),
		Caption: foundRight(images, newRows(captions, embed)),
		Patch:   share(right, asked),
	}, nil
}

// nouns returns the normalised mean of each noun's normalised prompts.
func (h *held) nouns(p *tcl.Pretrainer, r *Recipe) (rows, error) {
	embed, size := r.Vision.Embed, len(h.images)/len(h.scenes)
	var texts []float32
	for first := 0; first < len(h.prompts); first += r.Batch {
		last := min(first+r.Batch, len(h.prompts))
		f, err := p.Forward(h.images[:r.Batch*size], h.prompts[first:last])
		if err != nil {
			return rows{}, err
		}
		texts = append(texts, f.Texts...)
	}
	units := newRows(texts, embed)
	means := make([]float32, len(world.Nouns)*embed)
	for i := range units.count() {
		mean := means[i/len(world.EvalTemplates)*embed:]
		for j, v := range units.unit(i) {
			mean[j] += float32(v)
		}
	}
	return newRows(means, embed), nil
}

// namedRight is the share of images whose nearest noun is that of the object with the most pixels.
func (h *held) namedRight(images, nouns rows) float64 {
	right := 0
	for i, scene := range h.scenes {
		counts := make([]int, len(world.Nouns))
		for _, id := range scene.Mask {
			if id > 0 {
				counts[id-1]++
			}
		}
		largest := 0
		for n, count := range counts {
			if count > counts[largest] {
				largest = n
			}
		}
		if nearest(images.unit(i), nouns) == largest {
			right++
		}
	}
	return share(right, len(h.scenes))
}

// foundRight is the share of images whose nearest caption is their own, within groups of captionsAtOnce.
func foundRight(images, captions rows) float64 {
	right := 0
	for i := range images.count() {
		first := i / captionsAtOnce * captionsAtOnce
		group := captions.part(first, min(first+captionsAtOnce, captions.count()))
		if first+nearest(images.unit(i), group) == i {
			right++
		}
	}
	return share(right, images.count())
}

// patches counts right answers among the patches of a pass [B*G, E] that one object covers.
func (h *held) patches(features, nouns rows, first int, r *Recipe) (right, asked int) {
	side := r.Vision.Image / r.Vision.Patch
	for i := range features.count() {
		noun, ok := cover(h.scenes[first+i/(side*side)].Mask, i%(side*side)/side, i%side, r.Vision)
		if !ok {
			continue
		}
		asked++
		if nearest(features.unit(i), nouns) == noun {
			right++
		}
	}
	return right, asked
}

// cover returns the noun that covers enough of the patch in a row and column of the grid.
func cover(mask []uint8, row, column int, v Vision) (noun int, ok bool) {
	counts := make([]int, len(world.Nouns)+1)
	for y := row * v.Patch; y < (row+1)*v.Patch; y++ {
		for _, id := range mask[y*v.Image+column*v.Patch:][:v.Patch] {
			counts[id]++
		}
	}
	for id, count := range counts[1:] {
		if float64(count) > covered*float64(v.Patch*v.Patch) {
			return id, true
		}
	}
	return 0, false
}

func nearest(x []float64, to rows) int {
	best, most := 0, math.Inf(-1)
	for i := range to.count() {
		if s := dot(x, to.unit(i)); s > most {
			best, most = i, s
		}
	}
	return best
}

func share(part, all int) float64 { return float64(part) / float64(max(all, 1)) }
