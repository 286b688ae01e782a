package segment

import (
	"image/color"
	"math"
)

// Colour returns the colour of a label: the background is grey, eight hues far apart come first, then the eight between
// them, darker, and so on.
func Colour(label int, background bool) color.RGBA {
	if label == Ignored {
		return color.RGBA{255, 255, 255, 255}
	}
	if background {
		if label == 0 {
			return color.RGBA{118, 118, 124, 255}
		}
		label--
	}
	eighths := [8]float64{0, 4, 2, 6, 1, 5, 3, 7}
	round := label / 8
	lightness := [3]float64{0.56, 0.40, 0.72}[round%3]
	return hsl(math.Mod(45*eighths[label%8]+22.5*float64(round%2)+11*float64(round/2%2), 360), 0.85, lightness)
}

// hsl converts hue in degrees, saturation and lightness.
func hsl(hue, saturation, lightness float64) color.RGBA {
	spread := saturation * min(lightness, 1-lightness)
	channel := func(offset float64) uint8 {
		k := math.Mod(offset+hue/30, 12)
		return uint8(255*(lightness-spread*max(-1, min(k-3, 9-k, 1))) + 0.5)
	}
	return color.RGBA{channel(0), channel(8), channel(4), 255}
}

// palette holds the colours of all 256 labels.
func palette(background bool) color.Palette {
	p := make(color.Palette, 256)
	for label := range p {
		p[label] = Colour(label, background)
	}
	return p
}
