//go:build cuda && cgo

package cuda

// #include "innerproduct.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	innerProduct = declare("inner_product", 256)
	total        = declare("total", 256)
)

// productBlocks is the number of float64 values that innerProducts writes for n elements.
func productBlocks(n int) int { return ceil(n, 65536) }

// innerProducts writes <x, y> of each block of 65536 elements to partial.
func (d *device) innerProducts(partial uint64, x, y kernels.Tensor) {
	if x.Len() == 0 {
		return
	}
	launch(d, innerProduct, grid{X: productBlocks(x.Len())}, 0, &C.struct_tg_inner_product{
		partial: C.uint64_t(partial), x: pointer(x), y: pointer(y), n: C.int64_t(x.Len()),
	})
}

// total writes the sum of n partial sums to sum, Float64 [1].
func (d *device) total(sum kernels.Tensor, partial uint64, n int) {
	launch(d, total, grid{X: 1}, 0, &C.struct_tg_total{sum: pointer(sum), partial: C.uint64_t(partial), n: C.int64_t(n)})
}
