//go:build cuda && cgo

package cuda

// #include "hopper_pack.h"
// #include "hopper_tiles.h"
import "C"

import (
	"fmt"
	"os"

	"gorgonia.org/cu"

	"github.com/textground/textground/kernels/cuda/driver"
)

// kernelsVariable is the environment variable that keeps a card from Hopper's own kernels when it says "portable".
const kernelsVariable = "TEXTGROUND_CUDA_KERNELS"

// wantsHopper reports whether a card of that compute capability computes with Hopper's own kernels where they pay.
func wantsHopper(sm int) (bool, error) {
	switch choice := os.Getenv(kernelsVariable); choice {
	case "":
		return sm == hopperSM, nil
	case "portable":
		return false, nil
	default:
		return false, fmt.Errorf("%s is %q: want portable, or nothing", kernelsVariable, choice)
	}
}

// hopperSM is the one compute capability that has wgmma and whose machine code the kernels of hopper_*.cu are.
const hopperSM = 90

var (
	hopperPack       = declareOn(hopperSM, "hopper_pack", 256)
	hopperPackTurned = declareOn(hopperSM, "hopper_pack_turned", 256)
)

// hopperVariants are the kernels of one product in tiles of 128 x 256 or 128 x 128 (hopper_tiles.cuh).
type hopperVariants struct{ wide, narrow *kernel }

func declareHopperVariants(name string) hopperVariants {
	const threads = 384
	return hopperVariants{declareOn(hopperSM, name+"_256_bf16", threads), declareOn(hopperSM, name+"_128_bf16", threads)}
}

// engineWork is a product as Hopper's engines see it: rowTiles tiles of at most 128 rows, taps times inner numbers to add up,
// and the numbers that are rounded first.
type engineWork struct {
	rows, rowTiles, cols, inner, taps int
	packed                            int
}

// rates decide between the two kinds of kernels, and between tiles, by arithmetic in multiply-adds of Hopper's kernels, 325e12
// a second. Bits follow from it, so it knows the shape alone, and is exact on every host: whole numbers and eighths. No card
// has been asked yet: the rates are what the limits in gemm.cuh and hopper_tiles.cuh let expect.
var rates = struct {
	multiprocessors    int     // so many tiles are computed at a time
	portable, narrow   float64 // how much longer a multiply-add takes in portable kernels, and in tiles of 128 columns
	packing, launching float64 // what a number that is rounded costs, and a product's two launches for that
}{
	multiprocessors: 132,           // of an H100 or H200
	portable:        2.5,           // 260 TFLOP/s, for operands of four bytes
	narrow:          1.125,         // 64 bytes a cycle from L2 instead of 48
	packing:         650,           // 6 bytes at 3 TB/s
	launching:       1_300_000_000, // 4 us
}

// cost returns the cost of one inner number in tiles of so many columns: the last wave of tiles takes as long as a full one.
func (w engineWork) cost(tileCols int) float64 {
	waves := ceil(w.rowTiles*ceil(w.cols, tileCols), rates.multiprocessors)
	return float64(waves * rates.multiprocessors * C.TG_HOPPER_ROWS * tileCols)
}

// wide reports whether tiles of 256 columns cost less than those of 128.
func (w engineWork) wide() bool { return w.cost(256) <= w.cost(128)*rates.narrow }

// pays reports whether Hopper's kernels are the faster ones.
func (w engineWork) pays() bool {
	each := min(w.cost(256), w.cost(128)*rates.narrow)
	numbers := float64(w.taps * ceil(w.inner, C.TG_HOPPER_INNER) * C.TG_HOPPER_INNER)
	hopper := each*numbers + rates.packing*float64(w.packed) + rates.launching
	return hopper < rates.portable*float64(w.rows*w.cols)*float64(w.taps*w.inner)
}

// tileCols returns the columns of a tile.
func (w engineWork) tileCols() int {
	if w.wide() {
		return 256
	}
	return 128
}

// launchHopper starts the blocks of a product, at most one a multiprocessor: each computes whole tiles, one after another.
func launchHopper[A any](d *device, v hopperVariants, w engineWork, args *A) {
	k, shared := v.narrow, C.TG_HOPPER_SHARED_128
	if w.wide() {
		k, shared = v.wide, C.TG_HOPPER_SHARED_256
	}
	tiles := w.rowTiles * ceil(w.cols, w.tileCols())
	launch(d, k, grid{X: min(tiles, d.multiprocessors)}, shared, args)
}

// countMultiprocessors asks the card how many blocks of Hopper's kernels run at a time.
func (d *device) countMultiprocessors() (err error) {
	d.multiprocessors, err = d.card.Attribute(cu.MultiprocessorCount)
	return named(err)
}

// packedMatrix is an operand rounded to bfloat16: rows along the inner dimension, pitch numbers apart.
type packedMatrix struct {
	address     uint64
	pitch       int
	rows, inner int
}

// pack rounds a matrix [rows, inner] of float32, or where it is turned [inner, rows], whose rows lie ld numbers apart.
// Packed rows begin at multiples of 128 bytes.
func (d *device) pack(matrix uint64, rows, inner, ld int, turned bool) (p packedMatrix, release func()) {
	p = packedMatrix{rows: rows, inner: inner, pitch: ceil(inner, 64) * 64}
	p.address, release = d.scratch(2 * rows * p.pitch)
	k, g := hopperPack, blocks(rows, 8)
	if turned {
		k, g = hopperPackTurned, grid{X: ceil(rows, 64) * ceil(inner, 64)}
	}
	launch(d, k, g, 0, &C.struct_tg_hopper_pack{
		packed: C.uint64_t(p.address), matrix: C.uint64_t(matrix), ld: C.int64_t(ld),
		rows: C.int32_t(rows), cols: C.int32_t(inner), pitch: C.int32_t(p.pitch),
	})
	return p, release
}

// tiles describes p to the copy engine as a matrix, in boxes of so many rows by 64.
func (p packedMatrix) tiles(rows int) driver.TensorMap {
	return driver.TensorMap{
		Base: p.address, Sizes: []uint64{uint64(p.inner), uint64(p.rows)}, Strides: []uint64{2 * uint64(p.pitch)},
		Box: []uint32{C.TG_HOPPER_INNER, uint32(rows)}, Swizzle: true,
	}
}
