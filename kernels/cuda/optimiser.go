//go:build cuda && cgo

package cuda

// #include "optimiser.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	adamW        = declare("adamw", 256)
	blockDigests = declare("block_digests", 256)
)

// SquaredNorm is the inner product of x with itself.
func (d *device) SquaredNorm(sum, x kernels.Tensor) {
	kernels.Require("SquaredNorm: sum", sum, kernels.Float64, 1)
	kernels.Require("SquaredNorm: x", x, kernels.Float32, x.Len())
	n := productBlocks(x.Len())
	partial, release := d.scratch(8 * n)
	defer release()
	d.innerProducts(partial, x, x)
	d.total(sum, partial, n)
}

// AdamW takes its few scalars in float64 and its vectors in float32.
func (d *device) AdamW(p, m1, m2, g, squared kernels.Tensor, a kernels.AdamW) {
	n := p.Len()
	kernels.Require("AdamW: p", p, kernels.Float32, n)
	kernels.Require("AdamW: m1", m1, kernels.Float32, n)
	kernels.Require("AdamW: m2", m2, kernels.Float32, n)
	kernels.Require("AdamW: g", g, kernels.Float32, n)
	kernels.Require("AdamW: squared", squared, kernels.Float64, 1)
	launch(d, adamW, blocks(n, 256), 0, &C.struct_tg_adamw{
		p: pointer(p), m1: pointer(m1), m2: pointer(m2), g: pointer(g), squared: pointer(squared),
		rate: C.double(a.Rate), beta1: C.double(a.Beta1), beta2: C.double(a.Beta2), epsilon: C.double(a.Epsilon), decay: C.double(a.Decay),
		correction1: C.double(a.Correction1), correction2: C.double(a.Correction2), max_norm: C.double(a.MaxNorm), n: C.int64_t(n),
	})
}

// BlockDigests digests each 64 KiB.
func (d *device) BlockDigests(digests, x kernels.Tensor) {
	n := ceil(x.Len(), kernels.DigestBlock)
	kernels.Require("BlockDigests: digests", digests, kernels.Uint64, n)
	kernels.Require("BlockDigests: x", x, kernels.Float32, x.Len())
	if n == 0 {
		return
	}
	launch(d, blockDigests, grid{X: n}, 0, &C.struct_tg_block_digests{digests: pointer(digests), x: pointer(x), n: C.int64_t(x.Len())})
}
