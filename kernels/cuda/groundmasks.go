//go:build cuda && cgo

package cuda

// #include "groundmasks.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	groundMasks        = declareVariants("ground_masks", "")
	groundPool         = declareVariants("ground_pool", "")
	groundPairs        = declare("ground_pairs", 256)
	groundSums         = declare("ground_sums", 256)
	drawMasks          = declare("draw_masks", 256)
	ungroundPairs      = declare("unground_pairs", 256)
	ungroundMasks      = declareVariants("unground_masks", "")
	ungroundBias       = declare("unground_bias", 256)
	ungroundProjection = declare("unground_projection", 128)
	ungroundPixels     = declareVariants("unground_pixels", "")
	ungroundScalars    = declare("unground_scalars", 1024)
)

// tileTexts is the number of texts that masks exist for at one time.
const tileTexts = 256

// mostPlaneBytes bounds the planes of one kind, unless one image has more. A test lowers it.
var mostPlaneBytes = 64 << 20

// grounding walks over tiles of texts on groups of images, with working space for one of them.
type grounding struct {
	*device
	kernels.MaskSizes
	in       kernels.Masks
	a        C.struct_tg_ground
	most     int    // images of a group
	inverses uint64 // 1/max(|v|, floor) of all pixels
	releases []func()
}

func (d *device) newGrounding(in kernels.Masks) *grounding {
	g := &grounding{device: d, MaskSizes: in.Sizes(), in: in}
	groups := min(ceil(g.planeBytes(g.Images), mostPlaneBytes), g.Images)
	g.most = ceil(g.Images, groups)
	g.inverses = g.space(4 * g.Images * g.Positions)
	g.inverseNorms(C.uint64_t(g.inverses), in.Pixels)
	g.a = C.struct_tg_ground{
		scale: pointer(in.Scale), bias: pointer(in.Bias), text_inverse: C.uint64_t(g.space(4 * tileTexts)),
		masks: C.uint64_t(g.space(g.planeBytes(g.most))), pooled: C.uint64_t(g.space(4 * g.most * tileTexts * g.Channels)),
		all_texts: C.int64_t(g.Texts), height: C.int32_t(in.Height), width: C.int32_t(in.Width), channels: C.int32_t(g.Channels),
		tile: tileTexts, tau: C.float(in.Tau),
	}
	return g
}

// planeBytes is the size of one kind of planes for so many images.
func (g *grounding) planeBytes(images int) int { return 4 * images * tileTexts * g.Positions }

// space is scratch space until done.
func (g *grounding) space(bytes int) uint64 {
	address, release := g.scratch(bytes)
	g.releases = append(g.releases, release)
	return address
}

func (g *grounding) done() {
	for _, release := range g.releases {
		release()
	}
}

// each calls work for every tile of texts on every group of images, the first image and text of which it gets. The masks of
// the tile and their pooled sums are there.
func (g *grounding) each(work func(image, text int)) {
	for text := 0; text < g.Texts; text += tileTexts {
		texts := g.in.Texts.Reshape(g.Texts, g.Channels).RowRange(text, min(text+tileTexts, g.Texts))
		g.inverseNorms(g.a.text_inverse, texts)
		for image := 0; image < g.Images; image += g.most {
			g.a.texts, g.a.count = pointer(texts), C.int32_t(texts.Rows())
			g.a.images = C.int32_t(min(g.most, g.Images-image))
			g.a.own = C.int32_t(g.in.First + image - text)
			g.a.opens, g.a.begins, g.a.last = flag(text+image == 0), flag(text == 0), flag(text+tileTexts >= g.Texts)
			g.a.pixels = g.placesAt(pointer(g.in.Pixels), image, g.Channels)
			g.a.pixel_inverse = g.placesAt(C.uint64_t(g.inverses), image, 1)
			g.product(groundMasks, texts.Rows(), g.Positions, g.Channels)
			g.product(groundPool, texts.Rows(), g.Channels, g.Positions)
			work(image, text)
		}
	}
}

// placesAt is where image begins in [images, positions, width].
func (g *grounding) placesAt(base C.uint64_t, image, width int) C.uint64_t {
	return base + C.uint64_t(4*image*g.Positions*width)
}

// scoresAt is where an image's scores begin at a text.
func (g *grounding) scoresAt(scores kernels.Tensor, image, text int) C.uint64_t {
	return pointer(scores) + C.uint64_t(4*(image*g.Texts+text))
}

// product launches one kind of product for all images of the group and returns its blocks an image.
func (g *grounding) product(v variants, rows, cols, inner int) int {
	return g.masksProduct(v, rows, cols, inner, &g.a)
}

// masksProduct is a product for each image. Tiles are many, so none is split.
func (d *device) masksProduct(v variants, rows, cols, inner int, a *C.struct_tg_ground) int {
	t := d.tile(v, rows, cols, int(a.images), ceil(inner, innerStep))
	launch(d, t.kernel, grid{X: t.tiles, Y: int(a.images)}, 0, a)
	return t.tiles
}

// pairs launches a kernel with a block for each text and image.
func (g *grounding) pairs(k *kernel) {
	launch(g.device, k, grid{X: int(g.a.count), Y: int(g.a.images)}, 0, &g.a)
}

// GroundMasks makes the soft masks of one tile of texts at a time, and the hard masks apart.
func (d *device) GroundMasks(r kernels.MaskResults, in kernels.Masks) {
	r.Check(in.Sizes())
	g := d.newGrounding(in)
	defer g.done()
	g.drawMasks(r)
	g.a.sums, g.a.parts = pointer(r.Sums), C.uint64_t(g.space(2*8*g.most*tileTexts))
	own, pairs := float64(g.Images*g.Positions), float64(g.Images*g.Texts)
	g.a.per_positive = C.double(1 / own)
	if g.Texts > 1 {
		g.a.per_negative = C.double(1 / (own * float64(g.Texts-1)))
	}
	if in.Width > 1 {
		g.a.per_x = C.double(1 / (pairs * float64(in.Height*(in.Width-1))))
	}
	if in.Height > 1 {
		g.a.per_y = C.double(1 / (pairs * float64((in.Height-1)*in.Width)))
	}
	g.each(func(image, text int) {
		g.a.scores = g.scoresAt(r.Scores, image, text)
		g.pairs(groundPairs)
		launch(d, groundSums, grid{X: 1}, 0, &g.a)
	})
}

// drawMasks thresholds the noise of each image's own text.
func (g *grounding) drawMasks(r kernels.MaskResults) {
	launch(g.device, drawMasks, blocks(g.Images*g.Positions, 8), 0, &C.struct_tg_draw_masks{
		hard: pointer(r.Hard), soft: pointer(r.Soft), pixels: pointer(g.in.Pixels),
		texts: pointer(g.in.Texts) + C.uint64_t(4*g.in.First*g.Channels), scale: pointer(g.in.Scale), bias: pointer(g.in.Bias),
		noise: pointer(g.in.Noise), images: C.int64_t(g.Images), places: C.int64_t(g.Positions), channels: C.int64_t(g.Channels),
		tau: C.float(g.in.Tau),
	})
}

// GroundMasksBackward makes them again.
func (d *device) GroundMasksBackward(dpixels, dscale, dbias kernels.Tensor, grads kernels.MaskGrads, r kernels.MaskResults, in kernels.Masks) {
	s := in.Sizes()
	r.Check(s)
	grads.Check(s)
	kernels.Require("GroundMasksBackward: dpixels", dpixels, kernels.Float32, in.Pixels.Len())
	kernels.Require("GroundMasksBackward: dscale", dscale, kernels.Float32, 1)
	kernels.Require("GroundMasksBackward: dbias", dbias, kernels.Float32, 1)
	g := d.newGrounding(in)
	defer g.done()
	g.a.similarity = C.uint64_t(g.space(g.planeBytes(g.most)))
	g.a.slopes = C.uint64_t(g.space(g.planeBytes(g.most)))
	g.a.along = C.uint64_t(g.space(4 * g.most * tileTexts))
	g.a.parts = C.uint64_t(g.space(8 * g.most * ceil(tileTexts, 64) * ceil(g.Positions, 64)))
	g.a.bias_sum = C.uint64_t(g.space(8))
	projection := C.uint64_t(g.space(4 * g.Images * g.Positions))
	g.a.area_pos, g.a.area_neg = C.float(grads.AreaPos), C.float(grads.AreaNeg)
	g.a.tv_x, g.a.tv_y = C.float(grads.TVX), C.float(grads.TVY)
	g.each(func(image, text int) {
		g.a.scores = g.scoresAt(grads.Scores, image, text)
		g.a.dhard = g.placesAt(pointer(grads.Hard), image, 1)
		g.a.soft = g.placesAt(pointer(r.Soft), image, 1)
		g.a.dpixels = g.placesAt(pointer(dpixels), image, g.Channels)
		g.a.projection = g.placesAt(projection, image, 1)
		g.backward()
	})
	launch(d, ungroundScalars, grid{X: 1}, 0, &C.struct_tg_unground_scalars{
		dscale: pointer(dscale), dbias: pointer(dbias), projection: projection, bias_sum: g.a.bias_sum, n: C.int64_t(g.Images * g.Positions),
	})
}

// backward goes back through one tile.
func (g *grounding) backward() {
	g.pairs(ungroundPairs)
	tiles := g.product(ungroundMasks, int(g.a.count), g.Positions, g.Channels)
	g.a.part_count = C.int64_t(tiles * int(g.a.images))
	launch(g.device, ungroundBias, grid{X: 1}, 0, &g.a)
	launch(g.device, ungroundProjection, grid{X: blocks(g.Positions, 128).X, Y: int(g.a.images)}, 0, &g.a)
	g.product(ungroundPixels, g.Positions, g.Channels, 2*int(g.a.count))
}
