package segment

import (
	"image/color"
	"math"
)

// Colour returns the colour of a label, distinct from those of its neighbours: the background is grey, and hues advance by
// the golden angle while lightness takes turns.
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
	const goldenAngle = 137.50776
	lightness := []float64{0.55, 0.42, 0.68}[label/8%3]
	return hsl(math.Mod(8+goldenAngle*float64(label), 360), 0.78, lightness)
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
