package dataset

import (
	"math"

	"github.com/textground/textground/internal/philox"
)

// box is a rectangle of pixels.
type box struct{ x, y, width, height int }

// cropView returns the size x size picture that the other stages work on.
func cropView(img *Image, size int, cfg AugmentConfig, r *philox.Stream) *Image {
	if cfg.Crop {
		return resizeBox(img, randomBox(img, cfg, r), size, size, box{0, 0, size, size})
	}
	return centreView(img, size)
}

// randomBox draws a region as torchvision's RandomResizedCrop does: area and ratio, up to ten times until it fits, then
// the largest region in the middle whose ratio is allowed.
func randomBox(img *Image, cfg AugmentConfig, r *philox.Stream) box {
	area := float64(img.Width * img.Height)
	for range 10 {
		target := area * r.Range(cfg.ScaleMin, cfg.ScaleMax)
		ratio := math.Exp(r.Range(math.Log(cfg.RatioMin), math.Log(cfg.RatioMax)))
		width := int(math.RoundToEven(math.Sqrt(target * ratio)))
		height := int(math.RoundToEven(math.Sqrt(target / ratio)))
		if width >= 1 && height >= 1 && width <= img.Width && height <= img.Height {
			y := r.Intn(img.Height - height + 1)
			x := r.Intn(img.Width - width + 1)
			return box{x, y, width, height}
		}
	}
	return middleBox(img, cfg.RatioMin, cfg.RatioMax)
}

func middleBox(img *Image, ratioMin, ratioMax float64) box {
	width, height := img.Width, img.Height
	switch ratio := float64(width) / float64(height); {
	case ratio < ratioMin:
		height = max(1, int(math.RoundToEven(float64(width)/ratioMin)))
	case ratio > ratioMax:
		width = max(1, int(math.RoundToEven(float64(height)*ratioMax)))
	}
	return box{(img.Width - width) / 2, (img.Height - height) / 2, width, height}
}

// centreView resizes the short side to size and cuts the middle out of the long one.
func centreView(img *Image, size int) *Image {
	width, height := size, size
	if img.Width < img.Height {
		height = size * img.Height / img.Width
	} else {
		width = size * img.Width / img.Height
	}
	middle := box{halfRounded(width - size), halfRounded(height - size), size, size}
	return resizeBox(img, box{0, 0, img.Width, img.Height}, width, height, middle)
}

// halfRounded is n/2 rounded half to even, where torchvision's CenterCrop starts.
func halfRounded(n int) int { return int(math.RoundToEven(float64(n) / 2)) }
