package world

import "math"

// rgb is a colour with channels in 0..255, kept in floating point until it is painted.
type rgb [3]float64

// palette holds hue in turns, saturation and value of each colour word, in the order of Colours.
var palette = [][3]float64{
	{0.995, 0.82, 0.88}, {0.075, 0.85, 0.96}, {0.145, 0.75, 0.97}, {0.36, 0.66, 0.68},
	{0.60, 0.72, 0.85}, {0.765, 0.58, 0.72}, {0.925, 0.42, 0.97}, {0.10, 0.05, 0.97},
}

// hsv converts hue (in turns, wrapped), saturation and value to a colour.
func hsv(h, s, v float64) rgb {
	h = (h - math.Floor(h)) * 6
	sector := int(h)
	f := h - float64(sector)
	p, q, t := v*(1-s), v*(1-s*f), v*(1-s*(1-f))
	c := [6]rgb{{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}}[sector%6]
	return rgb{c[0] * 255, c[1] * 255, c[2] * 255}
}

// mix goes from a (t = 0) to b (t = 1).
func mix(a, b rgb, t float64) rgb {
	return rgb{a[0] + (b[0]-a[0])*t, a[1] + (b[1]-a[1])*t, a[2] + (b[2]-a[2])*t}
}

func (c rgb) darker(f float64) rgb { return rgb{c[0] * f, c[1] * f, c[2] * f} }

// lighter leaves the share f of the distance to white.
func (c rgb) lighter(f float64) rgb {
	return rgb{255 - (255-c[0])*f, 255 - (255-c[1])*f, 255 - (255-c[2])*f}
}

func (c rgb) plus(d float64) rgb { return rgb{c[0] + d, c[1] + d, c[2] + d} }

// distance is the sum of the channels' differences.
func (c rgb) distance(d rgb) float64 {
	return math.Abs(c[0]-d[0]) + math.Abs(c[1]-d[1]) + math.Abs(c[2]-d[2])
}

// bytes clips to 0..255 and drops the fraction. Most of the time of a scene goes by here: comparisons are much faster than
// min and max, which care for NaN.
func (c rgb) bytes() [3]uint8 {
	return [3]uint8{channel(c[0]), channel(c[1]), channel(c[2])}
}

func channel(v float64) uint8 {
	if v <= 0 {
		return 0
	}
	if v >= 255 {
		return 255
	}
	return uint8(v)
}
