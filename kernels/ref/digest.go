package ref

import (
	"math"

	"github.com/textground/textground/kernels"
)

// BlockDigests digests each 64 KiB.
func (d *device) BlockDigests(digests, x kernels.Tensor) {
	blocks := (x.Len() + kernels.DigestBlock - 1) / kernels.DigestBlock
	kernels.Require("BlockDigests: digests", digests, kernels.Uint64, blocks)
	kernels.Require("BlockDigests: x", x, kernels.Float32, x.Len())
	out, in := kernels.Host[uint64](digests), values(x)
	parallel(blocks, func(i int) {
		block := in[i*kernels.DigestBlock:]
		out[i] = kernels.BlockDigest(func(k int) uint32 { return math.Float32bits(block[k]) }, min(len(block), kernels.DigestBlock))
	})
}
