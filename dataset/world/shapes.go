package world

import "math"

// point lies in a sprite's own coordinates: x to the right, y down, the sprite within [-1, 1].
type point struct{ x, y float64 }

type polygon []point

// poly makes a polygon of x, y pairs.
func poly(xy ...float64) polygon {
	p := make(polygon, len(xy)/2)
	for i := range p {
		p[i] = point{xy[2*i], xy[2*i+1]}
	}
	return p
}

func rect(x0, y0, x1, y1 float64) polygon { return poly(x0, y0, x1, y0, x1, y1, x0, y1) }

// arc walks n points of the ellipse about (cx, cy) from angle a0 to a1 in degrees, clockwise on the screen when a0 < a1.
func arc(cx, cy, rx, ry, a0, a1 float64, n int) polygon {
	p := make(polygon, n)
	for i := range p {
		sin, cos := math.Sincos((a0 + (a1-a0)*float64(i)/float64(n-1)) * math.Pi / 180)
		p[i] = point{cx + rx*cos, cy + ry*sin}
	}
	return p
}

func ellipse(cx, cy, rx, ry float64) polygon { return arc(cx, cy, rx, ry, 0, 360, 40) }

// tilted is an ellipse turned by deg degrees about its centre.
func tilted(cx, cy, rx, ry, deg float64) polygon {
	p := ellipse(0, 0, rx, ry)
	sin, cos := math.Sincos(deg * math.Pi / 180)
	for i, q := range p {
		p[i] = point{cx + cos*q.x - sin*q.y, cy + sin*q.x + cos*q.y}
	}
	return p
}

// join closes the outlines one after another into one polygon.
func join(parts ...polygon) polygon {
	var p polygon
	for _, part := range parts {
		p = append(p, part...)
	}
	return p
}

func (p polygon) moved(dx, dy float64) polygon {
	q := make(polygon, len(p))
	for i, a := range p {
		q[i] = point{a.x + dx, a.y + dy}
	}
	return q
}

// rays is a star of n points between the radii outer and inner, the first one upwards.
func rays(n int, outer, inner float64) polygon {
	p := make(polygon, 2*n)
	for i := range p {
		r := outer
		if i%2 == 1 {
			r = inner
		}
		sin, cos := math.Sincos((float64(i)/float64(n) - 0.5) * math.Pi)
		p[i] = point{r * cos, r * sin}
	}
	return p
}

// heart is the well-known curve of sin^3 and four cosines.
func heart() polygon {
	p := make(polygon, 60)
	for i := range p {
		t := 2 * math.Pi * float64(i) / 59
		sin := math.Sin(t)
		y := 13*math.Cos(t) - 5*math.Cos(2*t) - 2*math.Cos(3*t) - math.Cos(4*t) + 2.5
		p[i] = point{16 * sin * sin * sin / 17, -y / 16}
	}
	return p
}

// crescent is a disc's outline, closed along a smaller disc that bites into it from the right.
func crescent() polygon {
	const radius = 0.95
	p := arc(0, 0, radius, radius, 50, 310, 40)
	for _, q := range arc(0.42, 0, 0.73, 0.73, 300, 60, 40) {
		if math.Hypot(q.x, q.y) < radius {
			p = append(p, q)
		}
	}
	return p.moved(0.2, 0)
}
