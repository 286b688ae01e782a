package tcl

import (
	"fmt"
	"math"

	"gorgonia.org/tensor"

	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/kernels"
)

// Grounding is what the model says about images and texts, before refinement (tcl-spec section 8). Images whose sides are
// no multiples of the patch were padded with zeros: the maps cover Height x Width pixels, the image begins at (Top, Left).
type Grounding struct {
	Height, Width int
	Top, Left     int
	Soft          *tensor.Dense // float32 [images, C, rows, columns]: soft masks
	CLIP          *tensor.Dense // float32 [images, C, rows, columns] of patches: cosines of CLIP's own features (MaskCLIP) with the texts
}

// Ground returns the masks of texts [C, E] in images [n, 3, height, width], normalised, of any size. Memory and the resized
// position embedding are kept until another size comes.
func (m *Model) Ground(images, texts *tensor.Dense) (*Grounding, error) {
	pixels, err := dense.Values[float32](images, dense.Any, 3, dense.Any, dense.Any)
	if err != nil {
		return nil, fmt.Errorf("grounding: images: %w", err)
	}
	embeddings, err := dense.Values[float32](texts, dense.Any, m.cfg.Vision.Embed)
	if err != nil {
		return nil, fmt.Errorf("grounding: texts: %w", err)
	}
	if len(pixels) == 0 || len(embeddings) == 0 {
		return nil, fmt.Errorf("grounding: images of shape %v and texts of shape %v: nothing to do", dense.Shape(images), dense.Shape(texts))
	}
	shape, patch := dense.Shape(images), m.cfg.Vision.Patch
	size := groundSize{images: shape[0], rows: (shape[2] + patch - 1) / patch, cols: (shape[3] + patch - 1) / patch, texts: texts.Shape()[0]}
	if err := m.prepare(size); err != nil {
		return nil, err
	}
	g, padded := m.pad(pixels, shape[2], shape[3], size)
	m.dev.Upload(m.inference.images, padded)
	m.dev.Upload(m.inference.texts, embeddings)
	m.groundImages()
	return g, m.read(g)
}

// pad makes the sides multiples of the patch, half of the zeros on each side.
func (m *Model) pad(images []float32, height, width int, size groundSize) (*Grounding, []float32) {
	g := &Grounding{Height: size.rows * m.cfg.Vision.Patch, Width: size.cols * m.cfg.Vision.Patch}
	g.Top, g.Left = (g.Height-height)/2, (g.Width-width)/2
	if g.Height == height && g.Width == width {
		return g, images
	}
	planes := len(images) / (height * width)
	padded := make([]float32, planes*g.Height*g.Width)
	for line := range planes * height {
		plane, y := line/height, line%height
		to := (plane*g.Height+g.Top+y)*g.Width + g.Left
		copy(padded[to:to+width], images[line*width:])
	}
	return g, padded
}

// groundSize is what the memory of a grounding depends on.
type groundSize struct{ images, rows, cols, texts int }

// groundMemory is the device memory of one size of grounding.
type groundMemory struct {
	*arena
	size       groundSize
	images     kernels.Tensor // [n, 3, h, w]
	texts      kernels.Tensor // [C, E]
	position   kernels.Tensor // [L, D], resized
	patchRows  kernels.Tensor // Int32 [n*G]
	tokens     tokenMemory
	block      blockMemory
	trunk      kernels.Tensor // [n*L, D]
	rows       kernels.Tensor // [n*G, D]
	masker     maskerMemory
	decoder    decoderMemory
	pixels     projectionMemory
	similarity kernels.Tensor // [n, C, P]
	features   kernels.Tensor // [n*G, D]: CLIP's last block under the MaskCLIP trick
	clip       projectionMemory
	cosines    kernels.Tensor // [n, C, G]
}

// prepare makes sure that the memory fits.
func (m *Model) prepare(size groundSize) error {
	if m.inference != nil && m.inference.size == size {
		return nil
	}
	if m.inference != nil {
		m.inference.free()
		m.inference = nil
	}
	position, err := m.resizedPositions(size.rows, size.cols)
	if err != nil {
		return err
	}
	a := &arena{dev: m.dev}
	v, n, grid := m.cfg.Vision, size.images, size.rows*size.cols
	mem := &groundMemory{
		arena: a, size: size,
		images: a.floats(n, 3, size.rows*v.Patch, size.cols*v.Patch), texts: a.floats(size.texts, v.Embed),
		position:  a.upload(dense.Of(position, 1+grid, v.Width)),
		patchRows: a.alloc(kernels.Int32, n*grid),
		tokens:    newTokenMemory(a, n, grid, v.Patch, v.Width), block: newBlockMemory(a, n*(1+grid), v.Width),
		trunk: a.floats(n*(1+grid), v.Width), rows: a.floats(n*grid, v.Width), masker: newMaskerMemory(a, n*grid, v.Width),
		decoder:    newDecoderMemory(a, n, size.rows, size.cols, v.Width, false),
		pixels:     newProjectionMemory(a, n*grid*upscale*upscale, v.Width, v.Embed),
		similarity: a.floats(n, size.texts, grid*upscale*upscale),
		features:   a.floats(n*grid, v.Width), clip: newProjectionMemory(a, n*grid, v.Width, v.Embed),
		cosines: a.floats(n, size.texts, grid),
	}
	m.dev.Upload(mem.patchRows, patchRows(n, 1+grid))
	m.inference = mem
	return nil
}

// groundImages enqueues images to similarities and cosines.
func (m *Model) groundImages() {
	g := m.inference
	grid, n, e := g.size.rows*g.size.cols, g.size.images, m.cfg.Vision.Embed
	m.image.trunk(m.dev, g.trunk, g.images, g.position, g.tokens, g.block, m.image.attention(n, 1+grid))
	m.dev.GatherRows(g.rows, g.trunk, g.patchRows)

	m.ground.block.valueOnly(m.dev, g.decoder.x.Reshape(n*grid, m.cfg.Vision.Width), g.rows, g.masker)
	m.ground.decoder.forward(m.dev, g.decoder)
	m.ground.projection.forward(m.dev, g.decoder.out().Reshape(g.pixels.normed.Shape...), g.pixels)
	m.dev.Similarity(g.similarity, g.pixels.out.Reshape(n, grid*upscale*upscale, e), g.texts)

	m.image.last().valueOnly(m.dev, g.features, g.rows, g.masker)
	m.image.end.forward(m.dev, g.features, g.clip)
	m.dev.Similarity(g.cosines, g.clip.out.Reshape(n, grid, e), g.texts)
}

// read waits and fills g.
func (m *Model) read(g *Grounding) error {
	soft, cosines := make([]float32, m.inference.similarity.Len()), make([]float32, m.inference.cosines.Len())
	var scale, bias [1]float32
	for _, part := range []struct {
		to   []float32
		from kernels.Tensor
	}{{soft, m.inference.similarity}, {cosines, m.inference.cosines}, {scale[:], m.ground.scale}, {bias[:], m.ground.bias}} {
		if err := m.dev.Download(part.to, part.from); err != nil {
			return fmt.Errorf("grounding: %w", err)
		}
	}
	softMasks(soft, scale[0], bias[0])
	s := m.inference.size
	g.Soft = dense.Of(soft, s.images, s.texts, upscale*s.rows, upscale*s.cols)
	g.CLIP = dense.Of(cosines, s.images, s.texts, s.rows, s.cols)
	return nil
}

// softMasks turns similarities into soft masks in place (tcl-spec section 2.7).
func softMasks(s []float32, scale, bias float32) {
	for i, v := range s {
		s[i] = float32(1 / (1 + math.Exp(-float64(scale)*float64(v)-float64(bias))))
	}
}

// resizedPositions returns the position embedding [1+rows*cols, D] for a grid of rows x cols.
func (m *Model) resizedPositions(rows, cols int) ([]float32, error) {
	position := make([]float32, m.image.position.Len())
	if err := m.dev.Download(position, m.image.position); err != nil {
		return nil, fmt.Errorf("position embedding: %w", err)
	}
	return ResizePositions(m.dev, position, m.cfg.Vision.Width, rows, cols)
}

// ResizePositions resizes a position embedding [1+g*g, width] to [1+rows*cols, width], bicubically but for the class
// token's row, which stays (tcl-spec section 1).
func ResizePositions(dev kernels.Device, position []float32, width, rows, cols int) ([]float32, error) {
	grid := len(position)/width - 1
	side := int(math.Round(math.Sqrt(float64(grid))))
	if side == rows && side == cols {
		return position, nil
	}
	a := &arena{dev: dev}
	defer a.free()
	src, dst := a.floats(width, side, side), a.floats(width, rows, cols)
	dev.Upload(src, transpose(position[width:], grid, width))
	dev.Resize(dst, src, kernels.Bicubic)
	planes := make([]float32, dst.Len())
	if err := dev.Download(planes, dst); err != nil {
		return nil, fmt.Errorf("position embedding: %w", err)
	}
	return append(append([]float32(nil), position[:width]...), transpose(planes, width, rows*cols)...), nil
}

// transpose returns [cols, rows] of x [rows, cols].
func transpose(x []float32, rows, cols int) []float32 {
	y := make([]float32, len(x))
	for r := range rows {
		for c := range cols {
			y[c*rows+r] = x[r*cols+c]
		}
	}
	return y
}
