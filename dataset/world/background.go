package world

import (
	"math"
	"slices"

	"github.com/textground/textground/internal/philox"
)

// painter gives the colour of a background at (x, y) in [0, 1).
type painter func(x, y float64) rgb

// background paints one of eight kinds of background, half of them with pixel noise and half with clutter, on a canvas of
// twice the final size; noise is drawn for each final pixel.
func background(r *philox.Stream, size int) *canvas {
	c := newCanvas(2 * size)
	paint, noise := backdrop(r, c.side), make([]float64, size*size)
	if r.Chance(0.5) {
		deviation := r.Range(2, 9)
		for i := range noise {
			noise[i] = deviation * r.Normal()
		}
	}
	for y := range c.side {
		for x := range c.side {
			colour := paint(float64(x)/float64(c.side), float64(y)/float64(c.side))
			c.set(x, y, colour.plus(noise[y/2*size+x/2]).bytes())
		}
	}
	if r.Chance(0.5) {
		clutter(r, c)
	}
	return c
}

func backdrop(r *philox.Stream, side int) painter {
	kind := r.Intn(8)
	a, b, c := muted(r), muted(r), muted(r)
	switch kind {
	case 0:
		return gradient(a, mix(a, b, 0.5))
	case 1:
		return hills(r, a, b, c)
	case 2:
		return sea(r, a, b)
	case 3:
		return night(r, b)
	case 4:
		return stripes(r, a, mix(a, b, 0.45))
	case 5:
		return wallpaper(r, a, mix(a, b, 0.5))
	case 6:
		return clouds(r, a, b, side)
	default:
		return plain(r, a)
	}
}

// muted is a colour that backgrounds and clutter may have.
func muted(r *philox.Stream) rgb { return hsv(r.Float(), r.Range(0.08, 0.65), r.Range(0.35, 0.98)) }

func gradient(top, bottom rgb) painter {
	return func(_, y float64) rgb { return mix(top, bottom, y) }
}

func hills(r *philox.Stream, air, far, near rgb) painter {
	sky := gradient(air, air.lighter(0.35))
	type hill struct {
		colour                    rgb
		height, swell, waves, lag float64
	}
	draw := func(c rgb, lo, hi float64) hill {
		return hill{c, r.Range(lo, hi), r.Range(0.03, 0.1), r.Range(0.6, 1.6), r.Float()}
	}
	both := [2]hill{draw(near, 0.65, 0.85), draw(far, 0.45, 0.65)}
	return func(x, y float64) rgb {
		for _, h := range both {
			if y > h.height+h.swell*math.Sin(2*math.Pi*(x*h.waves+h.lag)) {
				return h.colour.darker(1.05 - 0.25*y)
			}
		}
		return sky(x, y)
	}
}

func sea(r *philox.Stream, air, water rgb) painter {
	sky, crest := gradient(air, air.lighter(0.4)), water.lighter(0.75)
	horizon, waves, swell := r.Range(0.45, 0.75), r.Range(9, 15), r.Range(2, 4)
	return func(x, y float64) rgb {
		if y <= horizon {
			return sky(x, y)
		}
		if math.Sin(2*math.Pi*(y*waves+0.3*math.Sin(2*math.Pi*x*swell))) > 0.55 {
			return crest
		}
		return water
	}
}

func night(r *philox.Stream, glow rgb) painter {
	dark := hsv(r.Range(0.55, 0.85), r.Range(0.3, 0.7), r.Range(0.15, 0.35))
	horizon := mix(dark, glow, 0.6)
	type dot struct{ x, y, radius float64 }
	dots := make([]dot, 8+r.Intn(17))
	for i := range dots {
		dots[i] = dot{r.Float(), r.Float(), r.Range(0.004, 0.012)}
	}
	return func(x, y float64) rgb {
		for _, d := range dots {
			if dx, dy := x-d.x, y-d.y; dx*dx+dy*dy < d.radius*d.radius {
				return rgb{255, 250, 220}
			}
		}
		return mix(dark, horizon, y*y)
	}
}

func stripes(r *philox.Stream, a, b rgb) painter {
	sin, cos := math.Sincos(r.Range(0, math.Pi))
	frequency := r.Range(3, 9)
	return func(x, y float64) rgb {
		wave := 4 * math.Sin(2*math.Pi*frequency*(x*cos+y*sin))
		return mix(a, b, 0.5+0.5*min(max(wave, -1), 1))
	}
}

func wallpaper(r *philox.Stream, a, b rgb) painter {
	f, dots := r.Range(4, 8), r.Chance(0.5)
	return func(x, y float64) rgb {
		inside := checked(x*f, y*f)
		if dots {
			inside = spotted(x*f, y*f, 0.07)
		}
		if inside {
			return b
		}
		return a
	}
}

func clouds(r *philox.Stream, a, b rgb, side int) painter {
	coarse, fine := softNoise(r, 5, side), softNoise(r, 14, side)
	return func(x, y float64) rgb {
		i := int(y*float64(side)+0.5)*side + int(x*float64(side)+0.5)
		t := 0.6*coarse[i] + 0.4*fine[i]
		return mix(a, b, min(max((t-0.25)*1.6, 0), 1))
	}
}

// plain is one colour; four times in ten a grey, like an image whose pixels are masked out.
func plain(r *philox.Stream, colour rgb) painter {
	if r.Chance(0.4) {
		v := r.Range(70, 200)
		colour = rgb{v, v, v}
	}
	return func(_, _ float64) rgb { return colour }
}

// softNoise draws cells x cells uniform values and enlarges them to side x side with Keys' cubic kernel.
func softNoise(r *philox.Stream, cells, side int) []float64 {
	grid := make([]float64, cells*cells)
	for i := range grid {
		grid[i] = r.Float()
	}
	rows := make([]float64, cells*side) // [cells, side]
	for y := range cells {
		for x := range side {
			rows[y*side+x] = cubic(x, side, cells, func(i int) float64 { return grid[y*cells+i] })
		}
	}
	out := make([]float64, side*side)
	for y := range side {
		for x := range side {
			out[y*side+x] = cubic(y, side, cells, func(i int) float64 { return rows[i*side+x] })
		}
	}
	return out
}

// cubic is the value at position i of side, interpolated between cells samples; those beyond the ends are left out.
func cubic(i, side, cells int, sample func(int) float64) float64 {
	centre := (float64(i)+0.5)*float64(cells)/float64(side) - 0.5
	first := int(math.Floor(centre)) - 1
	var sum, total float64
	for j := max(first, 0); j < min(first+4, cells); j++ {
		w := keys(math.Abs(float64(j) - centre))
		sum, total = sum+w*sample(j), total+w
	}
	return sum / total
}

// keys is the cubic convolution kernel with a = -1/2 at distance d.
func keys(d float64) float64 {
	switch {
	case d < 1:
		return (1.5*d-2.5)*d*d + 1
	case d < 2:
		return ((-0.5*d+2.5)*d-4)*d + 2
	}
	return 0
}

// clutter strews two to six things without a name: stones, puffs and sticks.
func clutter(r *philox.Stream, c *canvas) {
	n := float64(c.side)
	for range 2 + r.Intn(5) {
		colour, x, y, size := muted(r).bytes(), r.Float()*n, r.Float()*n, r.Range(0.02, 0.09)*n
		switch r.Intn(3) {
		case 0:
			c.fill(stone(r, x, y, size), colour)
		case 1:
			c.fill(ellipse(x, y, 1.4*size, 0.7*size), colour)
		default:
			c.fill(stick(r, x, y, size, n), colour)
		}
	}
}

// stone has four to seven corners on a circle.
func stone(r *philox.Stream, x, y, radius float64) polygon {
	corners := make([]float64, 4+r.Intn(4))
	for i := range corners {
		corners[i] = r.Float()
	}
	slices.Sort(corners)
	p := make(polygon, len(corners))
	for i, turn := range corners {
		sin, cos := math.Sincos(2 * math.Pi * turn)
		p[i] = point{x + radius*cos, y + radius*sin}
	}
	return p
}

func stick(r *philox.Stream, x, y, size, side float64) polygon {
	sin, cos := math.Sincos(r.Float() * math.Pi)
	half := r.Range(0.008, 0.02) * side / 2
	dx, dy, wx, wy := 1.5*size*cos, 1.5*size*sin, -half*sin, half*cos
	return poly(x-dx+wx, y-dy+wy, x+dx+wx, y+dy+wy, x+dx-wx, y+dy-wy, x-dx-wx, y-dy-wy)
}
