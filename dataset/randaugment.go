package dataset

import (
	"github.com/textground/textground/internal/philox"
)

// The numbers of "rand-m9-mstd0.5-inc1".
const (
	randAugmentOps         = 2
	randAugmentProbability = 0.5
	randAugmentMagnitude   = 9
	randAugmentDeviation   = 0.5
	randAugmentTop         = 10 // the scale of magnitudes
)

// A randOp changes a picture in place or returns another. level is the magnitude over the scale's top, 0..1; r decides
// between the two directions of an op that has them, and is drawn from by no other op.
type randOp struct {
	name  string
	apply func(img *Image, level float64, r *philox.Stream) *Image
}

// randOps are timm's "increasing" operations in timm's order: a larger level changes more.
var randOps = []randOp{
	{"AutoContrast", func(img *Image, _ float64, _ *philox.Stream) *Image { return autoContrast(img) }},
	{"Equalize", func(img *Image, _ float64, _ *philox.Stream) *Image { return equalize(img) }},
	{"Invert", func(img *Image, _ float64, _ *philox.Stream) *Image { return invert(img) }},
	{"Rotate", func(img *Image, level float64, r *philox.Stream) *Image { return rotate(img, eitherSign(30*level, r)) }},
	{"PosterizeIncreasing", func(img *Image, level float64, _ *philox.Stream) *Image { return posterize(img, 4-int(4*level)) }},
	{"SolarizeIncreasing", func(img *Image, level float64, _ *philox.Stream) *Image { return solarize(img, 256-int(256*level)) }},
	{"SolarizeAdd", func(img *Image, level float64, _ *philox.Stream) *Image { return solarizeAdd(img, int(110*level)) }},
	{"ColorIncreasing", func(img *Image, level float64, r *philox.Stream) *Image { return adjustColour(img, strength(level, r)) }},
	{"ContrastIncreasing", func(img *Image, level float64, r *philox.Stream) *Image {
		return adjustContrast(img, strength(level, r))
	}},
	{"BrightnessIncreasing", func(img *Image, level float64, r *philox.Stream) *Image {
		return adjustBrightness(img, strength(level, r))
	}},
	{"SharpnessIncreasing", func(img *Image, level float64, r *philox.Stream) *Image {
		return adjustSharpness(img, strength(level, r))
	}},
	{"ShearX", func(img *Image, level float64, r *philox.Stream) *Image { return shearX(img, eitherSign(0.3*level, r)) }},
	{"ShearY", func(img *Image, level float64, r *philox.Stream) *Image { return shearY(img, eitherSign(0.3*level, r)) }},
	{"TranslateXRel", func(img *Image, level float64, r *philox.Stream) *Image {
		return translateX(img, eitherSign(0.45*level, r))
	}},
	{"TranslateYRel", func(img *Image, level float64, r *philox.Stream) *Image {
		return translateY(img, eitherSign(0.45*level, r))
	}},
}

// randAugment applies two ops drawn with replacement, each with probability one half and a magnitude of its own. Only what it returns
// may be looked at afterwards.
func randAugment(img *Image, r *philox.Stream) *Image {
	var chosen [randAugmentOps]randOp
	for i := range chosen {
		chosen[i] = randOps[r.Intn(len(randOps))]
	}
	for _, op := range chosen {
		if r.Chance(randAugmentProbability) {
			img = replaced(img, op.apply(img, randLevel(r), r))
		}
	}
	return img
}

func randLevel(r *philox.Stream) float64 {
	magnitude := randAugmentMagnitude + randAugmentDeviation*r.Normal()
	return max(0, min(magnitude, randAugmentTop)) / randAugmentTop
}

func eitherSign(v float64, r *philox.Stream) float64 {
	if r.Chance(0.5) {
		return -v
	}
	return v
}

// strength is the factor of an enhancement: 1 changes nothing, less weakens, more exaggerates.
func strength(level float64, r *philox.Stream) float64 {
	return max(0.1, 1+eitherSign(0.9*level, r))
}
