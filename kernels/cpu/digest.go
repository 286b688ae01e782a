//go:build cgo

package cpu

// #include "digest.h"
import "C"

import "github.com/textground/textground/kernels"

// BlockDigests digests each 64 KiB of x.
func (d *device) BlockDigests(digests, x kernels.Tensor) {
	kernels.Require("BlockDigests: x", x, kernels.Float32, x.Len())
	kernels.Require("BlockDigests: digests", digests, kernels.Uint64, (x.Len()+kernels.DigestBlock-1)/kernels.DigestBlock)
	C.tg_block_digests(d.pool.c, &C.struct_tg_block_digests{n: C.long(x.Len()), digests: (*C.uint64_t)(pointer(digests)), x: floats(x)})
}
