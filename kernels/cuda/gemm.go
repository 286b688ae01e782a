//go:build cuda && cgo

package cuda

// variants are the kernels of one product: on tensor cores in tiles of 128 x 128 or 64 x 64, and in float32 (gemm.cuh).
type variants struct{ large, small, exact *kernel }

// declareVariants declares name_bf16_128, name_bf16_64 and name_f32, each with the suffix.
func declareVariants(name, suffix string) variants {
	return variants{declare(name+"_bf16_128"+suffix, 256), declare(name+"_bf16_64"+suffix, 128), declare(name+"_f32"+suffix, 128)}
}

// innerStep is kStep of gemm.cuh: inner numbers that a block multiplies at a time.
const innerStep = 32

// tiling is how a product is cut into blocks. It depends on the shape alone, because sums in another order give other bits.
type tiling struct {
	kernel *kernel
	tiles  int // of one product
	splits int // blocks that share a tile's inner dimension
}

// The limits are for cards of about 100 multiprocessors.
const (
	manyTiles  = 96  // large tiles that are enough for a card
	manyBlocks = 512 // blocks in all: more than four a multiprocessor, so that the last ones leave few idle
	leastSteps = 16  // steps of a block: below that, its start and the sum of partial results cost too much
)

// tile cuts `products` products of rows x cols results with the given number of steps each.
func (d *device) tile(v variants, rows, cols, products, steps int) tiling {
	size, t := 128, tiling{kernel: v.large}
	large := ceil(rows, 128) * ceil(cols, 128) * products
	if d.precision != bf16 || large < manyTiles {
		size, t.kernel = 64, v.small
	}
	if d.precision != bf16 {
		t.kernel = v.exact
	}
	t.tiles = ceil(rows, size) * ceil(cols, size)
	t.splits = max(min(manyBlocks/(t.tiles*products), steps/leastSteps), 1)
	return t
}

// ceil returns the number of pieces of a size that hold n.
func ceil(n, size int) int { return (n + size - 1) / size }
