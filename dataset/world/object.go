package world

import (
	"math"

	"github.com/textground/textground/internal/philox"
)

// object is one painted sprite: the places of its noun and colour in their lists, and its texture word.
type object struct {
	noun, colour int
	texture      string
}

// paints returns the colour of every role for an object, with the jitter of a real thing's colour.
func (o object) paints(r *philox.Stream) func(role) rgb {
	p := palette[o.colour]
	unit := func(v float64) float64 { return min(max(v, 0), 1) }
	base := hsv(p[0]+0.012*r.Normal(), unit(p[1]+0.06*r.Normal()), unit(p[2]+0.05*r.Normal()))
	return func(part role) rgb {
		switch part {
		case body:
			return base
		case dark:
			return base.darker(0.72)
		case light:
			return base.lighter(0.5)
		}
		return fixed[part]
	}
}

// pose places a sprite on the canvas: a linear map, then a shift to the centre, in canvas pixels.
type pose struct {
	a, b, c, d float64 // x' = a x + b y, y' = c x + d y
	cx, cy     float64
}

// drawPose turns by N(0, 9°), flips half of the time and stretches; side is the sprite's size in canvas pixels.
func drawPose(r *philox.Stream, cx, cy, side float64) pose {
	sin, cos := math.Sincos(9 * r.Normal() * math.Pi / 180)
	sx, sy := side/2, side/2
	if r.Chance(0.5) {
		sx = -sx
	}
	aspect := r.Range(0.88, 1.14)
	sx, sy = sx*aspect, sy/aspect
	return pose{cos * sx, -sin * sy, sin * sx, cos * sy, cx, cy}
}

func (m pose) apply(p polygon) polygon {
	q := make(polygon, len(p))
	for i, v := range p {
		q[i] = point{m.a*v.x + m.b*v.y + m.cx, m.c*v.x + m.d*v.y + m.cy}
	}
	return q
}

// inverse returns the sprite's own coordinates of a canvas position.
func (m pose) inverse(x, y float64) (u, v float64) {
	x, y = x-m.cx, y-m.cy
	det := m.a*m.d - m.b*m.c
	return (m.d*x - m.b*y) / det, (m.a*y - m.c*x) / det
}

// pattern tells whether the texture's second colour shows at (u, v) of the sprite.
type pattern func(u, v float64) bool

func drawPattern(r *philox.Stream, texture string) pattern {
	f, shift := r.Range(2.2, 3.2), r.Float()
	switch texture {
	case "striped":
		sin, cos := math.Sincos([]float64{0, 0.5, 0.25}[r.Intn(3)] * math.Pi)
		return func(u, v float64) bool { return fraction((u*cos+v*sin)*f*0.8+shift) < 0.45 }
	case "spotted":
		return func(u, v float64) bool { return spotted(u*f+shift, v*f+shift, 0.1) }
	case "checked":
		return func(u, v float64) bool { return checked(u*f+shift, v*f+shift) }
	}
	return func(_, _ float64) bool { return false }
}

func fraction(v float64) float64 { return v - math.Floor(v) }

// spotted tells whether (x, y) lies in the disc of squared radius within its unit cell.
func spotted(x, y, squared float64) bool {
	dx, dy := fraction(x)-0.5, fraction(y)-0.5
	return dx*dx+dy*dy < squared
}

// checked tells the dark fields of a board with unit fields.
func checked(x, y float64) bool { return int(math.Floor(x)+math.Floor(y))&1 != 0 }

// paint puts the sprite of o on the canvas and its number into ids wherever it covers: [side, side].
func (o object) paint(r *philox.Stream, c *canvas, ids []int8, number int8, cx, cy, side float64) {
	paints := o.paints(r)
	at := drawPose(r, cx, cy, side)
	shows := drawPattern(r, o.texture)
	second := paints(body).lighter(0.3)
	if r.Chance(0.5) || Colours[o.colour] == "white" {
		second = paints(body).darker(0.5)
	}
	// Light falls from above: rows get darker from the top of the sprite's box to its bottom.
	box := 1.25 * side
	for _, part := range sprites[o.noun] {
		colour := paints(part.role)
		scan(at.apply(part.outline), c.side, func(y, x0, x1 int) {
			shade := 1.07 - 0.19*(float64(y)-(cy-box/2))/box
			for x := x0; x < x1; x++ {
				paint := colour
				if part.role == body && shows(at.inverse(float64(x)+0.5, float64(y)+0.5)) {
					paint = second
				}
				c.set(x, y, paint.darker(shade).bytes())
				ids[y*c.side+x] = number
			}
		})
	}
}
