package ref

import (
	"math"

	"github.com/textground/textground/kernels"
)

// TotalVariation is mean|x step| + mean|y step|; an axis without steps counts 0.
func (d *device) TotalVariation(sum, x kernels.Tensor) {
	kernels.Require("TotalVariation: sum", sum, kernels.Float64, 1)
	m := mapOf(x)
	lines := make([]float64, m.batch*m.height)
	perX, perY := stepWeights(m)
	parallel(len(lines), func(line int) {
		b, y := line/m.height, line%m.height
		for x := range m.width {
			lines[line] += perX*distance(m.at(b, y, x), m.at(b, y, x+1)) + perY*distance(m.at(b, y, x), m.at(b, y+1, x))
		}
	})
	total := 0.0
	for _, v := range lines {
		total += v
	}
	kernels.Host[float64](sum)[0] = total
}

// stepWeights returns 1 over the number of steps along x and along y.
func stepWeights(m featureMap) (perX, perY float64) {
	if m.width > 1 {
		perX = 1 / float64(m.batch*m.height*(m.width-1)*m.channels)
	}
	if m.height > 1 {
		perY = 1 / float64(m.batch*(m.height-1)*m.width*m.channels)
	}
	return perX, perY
}

// distance is the sum of |y-x|, 0 where y is outside the map.
func distance(x, y []float32) float64 {
	sum := 0.0
	for i, v := range y {
		sum += math.Abs(float64(v) - float64(x[i]))
	}
	return sum
}

// TotalVariationBackward adds the signs of each position's four steps.
func (d *device) TotalVariationBackward(dx, x kernels.Tensor, weight float32) {
	m, grad := mapOf(x), mapOf(dx)
	perX, perY := stepWeights(m)
	parallel(m.batch*m.height, func(line int) {
		b, y := line/m.height, line%m.height
		for x := range m.width {
			here, out := m.at(b, y, x), grad.at(b, y, x)
			along := func(other []float32, per float64) {
				for c, v := range other {
					out[c] += float32(float64(weight) * per * sign(float64(here[c])-float64(v)))
				}
			}
			along(m.at(b, y, x-1), perX)
			along(m.at(b, y, x+1), perX)
			along(m.at(b, y-1, x), perY)
			along(m.at(b, y+1, x), perY)
		}
	})
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}
