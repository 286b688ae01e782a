//go:build cgo

package cpu

// #include "adamw.h"
// #include "innerproduct.h"
import "C"

import (
	"math"

	"github.com/textground/textground/kernels"
)

// SquaredNorm is the inner product of x with itself.
func (d *device) SquaredNorm(sum, x kernels.Tensor) {
	kernels.Require("SquaredNorm: sum", sum, kernels.Float64, 1)
	kernels.Require("SquaredNorm: x", x, kernels.Float32, x.Len())
	C.tg_inner_product(d.pool.c, &C.struct_tg_inner_product{n: C.long(x.Len()), x: floats(x), y: floats(x), out: doubles(sum)})
	d.countScratch()
}

// AdamW takes its few scalars in float64 and its vectors in float32.
func (d *device) AdamW(p, m1, m2, g, squared kernels.Tensor, a kernels.AdamW) {
	n := p.Len()
	kernels.Require("AdamW: p", p, kernels.Float32, n)
	kernels.Require("AdamW: m1", m1, kernels.Float32, n)
	kernels.Require("AdamW: m2", m2, kernels.Float32, n)
	kernels.Require("AdamW: g", g, kernels.Float32, n)
	kernels.Require("AdamW: squared", squared, kernels.Float64, 1)
	clip := min(1, a.MaxNorm/(math.Sqrt(kernels.Host[float64](squared)[0])+1e-6))
	C.tg_adamw(d.pool.c, &C.struct_tg_adamw{
		n: C.long(n), p: floats(p), m1: floats(m1), m2: floats(m2), g: floats(g),
		rate: C.double(a.Rate), beta1: C.double(a.Beta1), beta2: C.double(a.Beta2), epsilon: C.double(a.Epsilon), decay: C.double(a.Decay),
		correction1: C.double(a.Correction1), correction2: C.double(a.Correction2), clip: C.double(clip),
	})
}
