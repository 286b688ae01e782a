//go:build cuda && cgo

package cuda

// #include "hopper_conv.h"
import "C"

import (
	"unsafe"

	"github.com/textground/textground/kernels/cuda/driver"
)

var hopperConv = declareHopperVariants("hopper_conv")

// box is a cuboid of positions: images, lines and columns.
type box struct{ w, h, b int }

// boxes returns how many cover the positions of s.
func (x box) boxes(s convShape) int { return ceil(s.w, x.w) * ceil(s.h, x.h) * ceil(s.b, x.b) }

// boxFor returns the box of at most 128 positions of which the fewest cover s. Among equals it is the widest, whose
// positions share the most pixels. Maps of 56 x 56, 28 x 28 and 14 x 14 of many images leave no position of a box empty.
func boxFor(s convShape) box {
	best := box{1, 1, 1}
	for w := min(s.w, C.TG_HOPPER_ROWS); w >= 1; w-- {
		for h := min(s.h, C.TG_HOPPER_ROWS/w); h >= 1; h-- {
			x := box{w, h, min(s.b, C.TG_HOPPER_ROWS/(w*h))}
			if x.boxes(s) < best.boxes(s) {
				best = x
			}
		}
	}
	return best
}

// convWork is a convolution on Hopper's engines. Its weights are brought into order before they are packed: that counts twice.
func convWork(s convShape, a *C.struct_tg_conv) engineWork {
	parities, taps := int(a.up*a.up), int(a.across*a.across)
	cols, inner := int(a.cols), int(a.inner)
	pixels := s.b * int(a.map_h*a.map_w)
	return engineWork{
		rows: parities * s.b * s.h * s.w, rowTiles: parities * boxFor(s).boxes(s), cols: cols, inner: inner, taps: taps,
		packed: (pixels + 2*parities*taps*cols) * inner,
	}
}

// hopperConvolve computes a convolution on Hopper's engines.
func (d *device) hopperConvolve(w engineWork, s convShape, conv *C.struct_tg_conv) {
	matrices := int(conv.up*conv.up) * w.taps
	pixels, releasePixels := d.pack(uint64(conv._map), s.b*int(conv.map_h*conv.map_w), w.inner, w.inner, false)
	weights, releaseWeights := d.pack(uint64(conv.packed), matrices*w.cols, w.inner, w.inner, false)
	x := boxFor(s)
	args := &C.struct_tg_hopper_conv{conv: *conv, box_w: C.int32_t(x.w), box_h: C.int32_t(x.h), box_b: C.int32_t(x.b)}
	for parity := range int(conv.step * conv.step) {
		d.encode(unsafe.Pointer(&args.pixels[parity]), pixels.boxes(conv, parity, x))
	}
	d.encode(unsafe.Pointer(&args.weights), weights.matrices(w.cols, matrices, w.tileCols()))
	launchHopper(d, hopperConv, w, args)
	releaseWeights()
	releasePixels()
}

// boxes describes p, the pixels of a map, to the copy engine in boxes by 64 channels. With step 2 these are the pixels whose
// line and column have one parity.
func (p packedMatrix) boxes(c *C.struct_tg_conv, parity int, x box) driver.TensorMap {
	step, line := uint64(c.step), uint64(c.map_w)
	pixel := 2 * uint64(p.pitch) // in bytes
	first := uint64(parity/2)*line + uint64(parity%2)
	return driver.TensorMap{
		Base:    p.address + first*pixel,
		Sizes:   []uint64{uint64(p.inner), line / step, uint64(c.map_h) / step, uint64(c.batch)},
		Strides: []uint64{step * pixel, step * line * pixel, uint64(c.map_h) * line * pixel},
		Box:     []uint32{C.TG_HOPPER_INNER, uint32(x.w), uint32(x.h), uint32(x.b)}, Swizzle: true,
	}
}

// matrices describes p to the copy engine as a stack of matrices of so many rows, in boxes of tileRows rows of one by 64.
func (p packedMatrix) matrices(rows, count, tileRows int) driver.TensorMap {
	pitch := 2 * uint64(p.pitch)
	return driver.TensorMap{
		Base: p.address, Sizes: []uint64{uint64(p.inner), uint64(rows), uint64(count)}, Strides: []uint64{pitch, uint64(rows) * pitch},
		Box: []uint32{C.TG_HOPPER_INNER, uint32(tileRows), 1}, Swizzle: true,
	}
}
