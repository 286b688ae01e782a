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

// engineWork is a product as Hopper's engines see it: rowTiles tiles of at most 128 rows of results, `steps` stages for each,
// and the numbers that are rounded first. Portable kernels do `multiplies` multiply-adds for it.
type engineWork struct {
	multiplies            float64
	rowTiles, cols, steps int
	packed                int
	shared                int // results of tiles that may share their stages, 0 where each computes its own
}

// engineTiling is how it is cut: into tiles of so many columns, of which several share the stages of the same results.
type engineTiling struct {
	cols, splits int
	tiles        int
	cost         float64
}

// rates decide between the two kinds of kernels, and between tilings, by arithmetic in multiply-adds of Hopper's kernels, 325e12
// a second. Bits follow from it, so it knows the shape alone, and is exact on every host: whole numbers and eighths. No card
// has been asked yet: the rates are what the limits in gemm.cuh and hopper_tiles.cuh let expect.
var rates = struct {
	multiprocessors    int     // so many tiles are computed at a time
	portable, narrow   float64 // how much longer a multiply-add takes in portable kernels, and in tiles of 128 columns
	packing, launching float64 // what a number that is rounded costs, and a product's two launches for that
	sharing            float64 // what a result costs in each of the tiles that share its stages
}{
	multiprocessors: 132,           // of an H100 or H200
	portable:        2.5,           // 260 TFLOP/s, for operands of four bytes
	narrow:          1.125,         // 64 bytes a cycle from L2 instead of 48
	packing:         650,           // 6 bytes at 3 TB/s
	launching:       1_300_000_000, // 4 us
	sharing:         870,           // 8 bytes at 3 TB/s
}

// mostSplits bounds the tiles that share stages, and so the memory for what they add up.
const mostSplits = 8

// tiling returns the cut that costs the least.
func (w engineWork) tiling() (best engineTiling) {
	for splits := 1; splits == 1 || w.shared > 0 && splits <= min(mostSplits, w.steps); splits++ {
		for _, cols := range []int{256, 128} {
			if t := w.cut(cols, splits); best.tiles == 0 || t.cost < best.cost {
				best = t
			}
		}
	}
	return best
}

// cut counts what a cut costs: the last wave of tiles takes as long as a full one.
func (w engineWork) cut(cols, splits int) engineTiling {
	t := engineTiling{cols: cols, splits: splits, tiles: w.rowTiles * ceil(w.cols, cols) * splits}
	wave := rates.multiprocessors * C.TG_HOPPER_ROWS * cols * C.TG_HOPPER_INNER * ceil(w.steps, splits)
	t.cost = float64(ceil(t.tiles, rates.multiprocessors)) * float64(wave)
	if cols == 128 {
		t.cost *= rates.narrow
	}
	t.cost += rates.packing*float64(w.packed) + rates.launching + rates.sharing*float64(w.shared*splits)
	return t
}

// pays reports whether Hopper's kernels are the faster ones.
func (w engineWork) pays(t engineTiling) bool { return t.cost < rates.portable*w.multiplies }

// launchHopper starts the blocks of a product, at most one a multiprocessor: each computes whole tiles, one after another.
func launchHopper[A any](d *device, v hopperVariants, t engineTiling, args *A) {
	k, shared := v.narrow, C.TG_HOPPER_SHARED_128
	if t.cols == 256 {
		k, shared = v.wide, C.TG_HOPPER_SHARED_256
	}
	launch(d, k, grid{X: min(t.tiles, d.multiprocessors)}, shared, args)
}

// countMultiprocessors asks the card how many blocks of Hopper's kernels run at a time.
func (d *device) countMultiprocessors() (err error) {
	d.multiprocessors, err = d.card.Attribute(cu.MultiprocessorCount)
	return named(err)
}

// packedMatrix is an operand [rows, cols] rounded to bfloat16, its rows pitch numbers apart.
type packedMatrix struct {
	address           uint64
	rows, cols, pitch int
}

// pack rounds a matrix [rows, cols] of float32, or where it is turned [cols, rows], whose rows lie ld numbers apart. Packed rows
// begin at multiples of 128 bytes.
func (d *device) pack(matrix uint64, rows, cols, ld int, turned bool) (m packedMatrix, release func()) {
	m = packedMatrix{rows: rows, cols: cols, pitch: ceil(cols, 64) * 64}
	m.address, release = d.scratch(2 * rows * m.pitch)
	k, g := hopperPack, blocks(rows, 8)
	if turned {
		k, g = hopperPackTurned, grid{X: ceil(rows, 64) * ceil(cols, 64)}
	}
	launch(d, k, g, 0, &C.struct_tg_hopper_pack{
		packed: C.uint64_t(m.address), matrix: C.uint64_t(matrix), ld: C.int64_t(ld),
		rows: C.int32_t(rows), cols: C.int32_t(cols), pitch: C.int32_t(m.pitch),
	})
	return m, release
}

// stack describes m, `count` matrices of so many rows, to the copy engine in boxes of tileRows rows of one of them by 64.
func (m packedMatrix) stack(rows, count, tileRows int) driver.TensorMap {
	pitch := 2 * uint64(m.pitch) // in bytes
	return driver.TensorMap{
		Base: m.address, Sizes: []uint64{uint64(m.cols), uint64(rows), uint64(count)}, Strides: []uint64{pitch, uint64(rows) * pitch},
		Box: []uint32{C.TG_HOPPER_INNER, uint32(tileRows), 1}, Swizzle: true,
	}
}

// positions are those of a stack of maps.
type positions struct{ b, h, w int }

// box is a cuboid of positions: columns, lines and images.
type box struct{ w, h, b int }

// boxes returns how many cover p.
func (x box) boxes(p positions) int { return ceil(p.w, x.w) * ceil(p.h, x.h) * ceil(p.b, x.b) }

// boxes describes m, the pixels of p, to the copy engine in boxes by 64 channels. With step 2 these are the pixels whose line
// and column have one parity.
func (m packedMatrix) boxes(p positions, step, parity int, x box) driver.TensorMap {
	pixel := 2 * m.pitch // in bytes
	line := p.w * pixel
	return driver.TensorMap{
		Base:    m.address + uint64(parity/2*line+parity%2*pixel),
		Sizes:   []uint64{uint64(m.cols), uint64(p.w / step), uint64(p.h / step), uint64(p.b)},
		Strides: []uint64{uint64(step * pixel), uint64(step * line), uint64(p.h * line)},
		Box:     []uint32{C.TG_HOPPER_INNER, uint32(x.w), uint32(x.h), uint32(x.b)}, Swizzle: true,
	}
}
