package ref

import (
	"math"

	"github.com/textground/textground/kernels"
)

// activations are those of a product's epilogue with their derivatives; NoActivation has neither.
var activations = [...]struct{ value, slope func(float64) float64 }{
	kernels.NoActivation: {},
	kernels.QuickGELU:    {quickGELU, quickGELUSlope},
	kernels.GELU:         {gelu, geluSlope},
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func quickGELU(x float64) float64 { return x * sigmoid(1.702*x) }

func quickGELUSlope(x float64) float64 {
	s := sigmoid(1.702 * x)
	return s * (1 + 1.702*x*(1-s))
}

// gelu is the exact form x*Phi(x).
func gelu(x float64) float64 { return 0.5 * x * math.Erfc(-x/math.Sqrt2) }

func geluSlope(x float64) float64 {
	return 0.5*math.Erfc(-x/math.Sqrt2) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
}
