package dataset

import (
	"fmt"

	"github.com/textground/textground/internal/philox"
)

// AugmentConfig says how a training image varies from one epoch to the next (tcl-spec section 6). Stages that are off
// draw no random numbers.
type AugmentConfig struct {
	// Crop takes a random region of ScaleMin..ScaleMax of the area with a side ratio (width over height) of
	// RatioMin..RatioMax and resizes it, ratio not kept. Without it the short side is resized and the middle cut out.
	Crop     bool    `yaml:"crop"`
	ScaleMin float64 `yaml:"scale_min"`
	ScaleMax float64 `yaml:"scale_max"`
	RatioMin float64 `yaml:"ratio_min"`
	RatioMax float64 `yaml:"ratio_max"`
	// Flip is the probability of mirroring left and right.
	Flip float64 `yaml:"flip"`
	// Shift moves the image by ShiftStride*{-1, 0, 1} + {-Shift..Shift} pixels along each axis, edges reflected.
	Shift       int `yaml:"shift"`
	ShiftStride int `yaml:"shift_stride"`
	// RandAugment is "" or "rand-m9-mstd0.5-inc1": two of timm's fifteen operations at magnitude 9.
	RandAugment string `yaml:"rand_augment"`
	// Gain multiplies each channel by a factor of its own within 1-Gain..1+Gain.
	Gain float64 `yaml:"gain"`
	// Erase is the probability of replacing a rectangle of 2 to 33 % of the area by normal noise.
	Erase float64 `yaml:"erase"`
}

// paperRandAugment is the one RandAugment that is implemented, in timm's notation.
const paperRandAugment = "rand-m9-mstd0.5-inc1"

// PaperAugment is the training augmentation of TCL's release (tcl-spec section 6).
func PaperAugment() AugmentConfig {
	return AugmentConfig{
		Crop: true, ScaleMin: 0.08, ScaleMax: 1, RatioMin: 3. / 4, RatioMax: 4. / 3,
		Flip: 0.5, RandAugment: paperRandAugment, Erase: 0.25,
	}
}

// NoAugment resizes the short side and cuts out the middle, the same every time.
func NoAugment() AugmentConfig { return AugmentConfig{} }

// Validate names the first setting that makes no sense.
func (c AugmentConfig) Validate() error {
	switch {
	case c.Crop && !(0 < c.ScaleMin && c.ScaleMin <= c.ScaleMax && c.ScaleMax <= 1):
		return fmt.Errorf("augment: crop scale %v..%v: 0 < min <= max <= 1 is wanted", c.ScaleMin, c.ScaleMax)
	case c.Crop && !(0 < c.RatioMin && c.RatioMin <= c.RatioMax && c.RatioMax < 1000):
		return fmt.Errorf("augment: crop ratio %v..%v: 0 < min <= max < 1000 is wanted", c.RatioMin, c.RatioMax)
	case !(c.Flip >= 0 && c.Flip <= 1):
		return fmt.Errorf("augment: flip %v is no probability", c.Flip)
	case !(c.Erase >= 0 && c.Erase <= 1):
		return fmt.Errorf("augment: erase %v is no probability", c.Erase)
	case c.Shift < 0 || c.ShiftStride < 0:
		return fmt.Errorf("augment: shift %d and stride %d must not be negative", c.Shift, c.ShiftStride)
	case !(c.Gain >= 0 && c.Gain < 1):
		return fmt.Errorf("augment: gain %v: 0 <= gain < 1 is wanted", c.Gain)
	case c.RandAugment != "" && c.RandAugment != paperRandAugment:
		return fmt.Errorf("augment: rand_augment %q: %q or nothing is implemented", c.RandAugment, paperRandAugment)
	}
	return nil
}

// Augment writes a training view of img into dst [3, size, size], normalised with ImageNet's mean and deviation. Everything
// random comes from r, so the same img, cfg and stream give the same bits. cfg must be valid; img is only read.
func Augment(dst []float32, img *Image, size int, cfg AugmentConfig, r *philox.Stream) {
	if len(dst) != 3*size*size {
		panic(fmt.Sprintf("dataset: %d values for an augmented image of 3 x %d x %d", len(dst), size, size))
	}
	width, height := img.fileSize()
	shown := chooseView(width, height, size, cfg, r).of(img)
	if cfg.Shift > 0 || cfg.ShiftStride > 0 {
		shown = replaced(shown, shiftReflected(shown, shiftOf(cfg, r), shiftOf(cfg, r)))
	}
	if cfg.RandAugment != "" {
		shown = randAugment(shown, r)
	}
	normalise(dst, shown, channelGains(cfg, r))
	giveBack(shown)
	if cfg.Erase > 0 && r.Chance(cfg.Erase) {
		eraseRectangle(dst, size, r)
	}
}
