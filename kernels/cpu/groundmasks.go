//go:build cgo

package cpu

// #include "groundmasks.h"
import "C"

import "github.com/textground/textground/kernels"

// GroundMasks makes the soft masks of a few texts at a time.
func (d *device) GroundMasks(r kernels.MaskResults, in kernels.Masks) {
	r.Check(in.Sizes())
	C.tg_ground_masks(d.pool.c, &C.struct_tg_ground_masks{
		in: masksOf(in), scores: floats(r.Scores), hard: floats(r.Hard), soft: floats(r.Soft), sums: doubles(r.Sums),
	})
	d.countScratch()
}

// GroundMasksBackward makes them again.
func (d *device) GroundMasksBackward(dpixels, dscale, dbias kernels.Tensor, g kernels.MaskGrads, r kernels.MaskResults, in kernels.Masks) {
	s := in.Sizes()
	r.Check(s)
	g.Check(s)
	kernels.Require("GroundMasksBackward: dpixels", dpixels, kernels.Float32, in.Pixels.Len())
	kernels.Require("GroundMasksBackward: dscale", dscale, kernels.Float32, 1)
	kernels.Require("GroundMasksBackward: dbias", dbias, kernels.Float32, 1)
	C.tg_ground_masks_backward(d.pool.c, &C.struct_tg_ground_masks_backward{
		in: masksOf(in), dscores: floats(g.Scores), dhard: floats(g.Hard), soft: floats(r.Soft),
		area_pos: C.float(g.AreaPos), area_neg: C.float(g.AreaNeg), tv_x: C.float(g.TVX), tv_y: C.float(g.TVY),
		dv: floats(dpixels), dscale: floats(dscale), dbias: floats(dbias),
	})
	d.countScratch()
}

// Similarity is the part of GroundMasks that segmentation needs.
func (d *device) Similarity(s, pixels, texts kernels.Tensor) {
	images, places, channels := pixels.Shape[0], pixels.Shape[1], pixels.Shape[2]
	kernels.RequireShape("Similarity: pixels", pixels, images, places, channels)
	kernels.Require("Similarity: texts", texts, kernels.Float32, texts.Rows()*channels)
	kernels.RequireShape("Similarity: s", s, images, texts.Rows(), places)
	C.tg_similarity(d.pool.c, &C.struct_tg_similarity{in: C.struct_tg_masks{
		images: C.long(images), h: 1, w: C.long(places), texts: C.long(texts.Rows()), channels: C.long(channels),
		v: floats(pixels), t: floats(texts),
	}, s: floats(s)})
	d.countScratch()
}

func masksOf(in kernels.Masks) C.struct_tg_masks {
	s := in.Sizes()
	return C.struct_tg_masks{
		images: C.long(s.Images), h: C.long(in.Height), w: C.long(in.Width), texts: C.long(s.Texts), channels: C.long(s.Channels),
		first: C.long(in.First), v: floats(in.Pixels), t: floats(in.Texts), scale: floats(in.Scale), bias: floats(in.Bias),
		noise: floats(in.Noise), tau: C.float(in.Tau),
	}
}
