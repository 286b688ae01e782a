package ref

import (
	"math"

	"github.com/textground/textground/kernels"
)

// SquaredNorm is the inner product with itself.
func (d *device) SquaredNorm(sum, x kernels.Tensor) {
	kernels.Require("SquaredNorm: sum", sum, kernels.Float64, 1)
	kernels.Require("SquaredNorm: x", x, kernels.Float32, x.Len())
	kernels.Host[float64](sum)[0] = innerProduct(values(x), values(x))
}

// AdamW computes in float64 and stores float32.
func (d *device) AdamW(p, m1, m2, g, squared kernels.Tensor, a kernels.AdamW) {
	n := p.Len()
	kernels.Require("AdamW: p", p, kernels.Float32, n)
	kernels.Require("AdamW: m1", m1, kernels.Float32, n)
	kernels.Require("AdamW: m2", m2, kernels.Float32, n)
	kernels.Require("AdamW: g", g, kernels.Float32, n)
	kernels.Require("AdamW: squared", squared, kernels.Float64, 1)
	clip := min(1, a.MaxNorm/(math.Sqrt(kernels.Host[float64](squared)[0])+1e-6))
	param, first, second, grad := values(p), values(m1), values(m2), values(g)
	for i := range param {
		v := float64(grad[i]) * clip
		first[i] = float32(a.Beta1*float64(first[i]) + (1-a.Beta1)*v)
		second[i] = float32(a.Beta2*float64(second[i]) + (1-a.Beta2)*v*v)
		step := float64(first[i]) / a.Correction1 / (math.Sqrt(float64(second[i])/a.Correction2) + a.Epsilon)
		param[i] = float32(float64(param[i])*(1-a.Rate*a.Decay) - a.Rate*step)
	}
}
