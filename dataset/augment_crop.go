package dataset

import (
	"image"
	"math"

	"github.com/textground/textground/internal/philox"
)

// box is a rectangle of pixels.
type box struct{ x, y, width, height int }

// A view says what is shown of a picture, and how large.
type view struct {
	from          box // of the file's pixels
	width, height int // what it is scaled to
	window        box // of that, what is kept
	mirrored      bool
}

// chooseView draws what a training view of size x size shows of a width x height picture.
func chooseView(width, height, size int, cfg AugmentConfig, r *philox.Stream) view {
	v := middleView(width, height, size)
	if cfg.Crop {
		v = view{from: randomBox(width, height, cfg, r), width: size, height: size, window: box{0, 0, size, size}}
	}
	v.mirrored = cfg.Flip > 0 && r.Chance(cfg.Flip)
	return v
}

// reduction is how far the picture may be reduced while it is decoded: by the largest of 8, 4 and 2 that leaves what the view shows no
// smaller than the view, so that the resizing that follows never enlarges what reducing took away.
func (v view) reduction() int {
	for _, reduce := range []int{8, 4, 2} {
		if min(v.from.width, v.from.height)/reduce >= max(v.window.width, v.window.height, smallestReduced) {
			return reduce
		}
	}
	return 1
}

// portion says what of a width x height file the view is made of.
func (v view) portion(width, height int) portion {
	reduce := v.reduction()
	x, y := stretchOf(v.from.x, v.from.width, width, reduce), stretchOf(v.from.y, v.from.height, height, reduce)
	return portion{reduce, image.Rect(x.first, y.first, x.first+x.pixels, y.first+y.pixels)}
}

// smallestReduced is the side below which libjpeg-turbo's rounding of sizes would stand for two different reductions.
const smallestReduced = 16

// randomBox draws a region as torchvision's RandomResizedCrop does: area and ratio, up to ten times until it fits, then
// the largest region in the middle whose ratio is allowed.
func randomBox(fileWidth, fileHeight int, cfg AugmentConfig, r *philox.Stream) box {
	area := float64(fileWidth * fileHeight)
	for range 10 {
		target := area * r.Range(cfg.ScaleMin, cfg.ScaleMax)
		ratio := math.Exp(r.Range(math.Log(cfg.RatioMin), math.Log(cfg.RatioMax)))
		width := int(math.RoundToEven(math.Sqrt(target * ratio)))
		height := int(math.RoundToEven(math.Sqrt(target / ratio)))
		if width >= 1 && height >= 1 && width <= fileWidth && height <= fileHeight {
			y := r.Intn(fileHeight - height + 1)
			x := r.Intn(fileWidth - width + 1)
			return box{x, y, width, height}
		}
	}
	return middleBox(fileWidth, fileHeight, cfg.RatioMin, cfg.RatioMax)
}

func middleBox(fileWidth, fileHeight int, ratioMin, ratioMax float64) box {
	width, height := fileWidth, fileHeight
	switch ratio := float64(width) / float64(height); {
	case ratio < ratioMin:
		height = max(1, int(math.RoundToEven(float64(width)/ratioMin)))
	case ratio > ratioMax:
		width = max(1, int(math.RoundToEven(float64(height)*ratioMax)))
	}
	return box{(fileWidth - width) / 2, (fileHeight - height) / 2, width, height}
}

// middleView scales the short side to size and cuts the middle out of the long one.
func middleView(fileWidth, fileHeight, size int) view {
	width, height := size, size
	if fileWidth < fileHeight {
		height = size * fileHeight / fileWidth
	} else {
		width = size * fileWidth / fileHeight
	}
	middle := box{halfRounded(width - size), halfRounded(height - size), size, size}
	return view{from: box{0, 0, fileWidth, fileHeight}, width: width, height: height, window: middle}
}

// halfRounded is n/2 rounded half to even, where torchvision's CenterCrop starts.
func halfRounded(n int) int { return int(math.RoundToEven(float64(n) / 2)) }
