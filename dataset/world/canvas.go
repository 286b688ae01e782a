package world

import "slices"

// canvas is a square RGB picture that is painted on without smoothing: the reduction to the final size smooths.
type canvas struct {
	side int
	pix  []uint8 // [side, side, 3]
}

func newCanvas(side int) *canvas { return &canvas{side, make([]uint8, side*side*3)} }

func (c *canvas) set(x, y int, colour [3]uint8) {
	p := c.pix[(y*c.side+x)*3:][:3]
	p[0], p[1], p[2] = colour[0], colour[1], colour[2]
}

func (c *canvas) fill(p polygon, colour [3]uint8) {
	scan(p, c.side, func(y, x0, x1 int) {
		for x := x0; x < x1; x++ {
			c.set(x, y, colour)
		}
	})
}

// doubled repeats every pixel twice in both directions.
func (c *canvas) doubled() *canvas {
	d := newCanvas(2 * c.side)
	wide := d.side * 3
	for y := range c.side {
		row := d.pix[2*y*wide:][:2*wide]
		for x := range c.side {
			p := c.pix[(y*c.side+x)*3:][:3]
			q := row[x*6:][:6]
			q[0], q[1], q[2], q[3], q[4], q[5] = p[0], p[1], p[2], p[0], p[1], p[2]
		}
		copy(row[wide:], row[:wide])
	}
	return d
}

// mean averages the part of the square about (cx, cy) that lies on the canvas.
func (c *canvas) mean(cx, cy, side float64) rgb {
	clip := func(v float64) int { return min(max(int(v), 0), c.side) }
	x0, x1, y0, y1 := clip(cx-side/2), clip(cx+side/2), clip(cy-side/2), clip(cy+side/2)
	var sum [3]int
	for y := y0; y < y1; y++ {
		for i := (y*c.side + x0) * 3; i < (y*c.side+x1)*3; i += 3 {
			sum[0], sum[1], sum[2] = sum[0]+int(c.pix[i]), sum[1]+int(c.pix[i+1]), sum[2]+int(c.pix[i+2])
		}
	}
	n := float64(max((y1-y0)*(x1-x0), 1))
	return rgb{float64(sum[0]) / n, float64(sum[1]) / n, float64(sum[2]) / n}
}

// edge is one side of a polygon, downwards: it crosses rows lo <= y < hi at x + (y-lo)*slope, turning the winding by turn.
type edge struct {
	lo, hi, x, slope float64
	turn             int
}

type crossing struct {
	x    float64
	turn int
}

// scan calls span for every run [x0, x1) of pixels in row y whose centres lie inside p by the nonzero rule, on a canvas
// of the given side.
func scan(p polygon, side int, span func(y, x0, x1 int)) {
	edges := edgesOf(p)
	top, bottom := rows(edges, side)
	var cross []crossing
	for y := top; y < bottom; y++ {
		centre := float64(y) + 0.5
		cross = cross[:0]
		for _, e := range edges {
			if e.lo <= centre && centre < e.hi {
				cross = append(cross, crossing{e.x + (centre-e.lo)*e.slope, e.turn})
			}
		}
		slices.SortFunc(cross, func(a, b crossing) int {
			if a.x < b.x {
				return -1
			}
			if a.x > b.x {
				return 1
			}
			return a.turn - b.turn
		})
		winding := 0
		for i, c := range cross {
			winding += c.turn
			if winding == 0 {
				continue
			}
			if x0, x1 := pixel(c.x, side), pixel(cross[i+1].x, side); x0 < x1 {
				span(y, x0, x1)
			}
		}
	}
}

// pixel is the first pixel whose centre is right of x, clipped to the canvas.
func pixel(x float64, side int) int { return int(min(max(x+0.5, 0), float64(side))) }

// rows bounds the rows that the edges can cross.
func rows(edges []edge, side int) (top, bottom int) {
	top = side
	for _, e := range edges {
		top, bottom = min(top, pixel(e.lo, side)), max(bottom, pixel(e.hi, side)+1)
	}
	return top, min(bottom, side)
}

func edgesOf(p polygon) []edge {
	var edges []edge
	for i, a := range p {
		b, turn := p[(i+1)%len(p)], 1
		if a.y == b.y {
			continue
		}
		if a.y > b.y {
			a, b, turn = b, a, -1
		}
		edges = append(edges, edge{a.y, b.y, a.x, (b.x - a.x) / (b.y - a.y), turn})
	}
	return edges
}
