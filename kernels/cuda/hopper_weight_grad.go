//go:build cuda && cgo

package cuda

// #include "conv3x3.h"
// #include "hopper_weight_grad.h"
// #include "matmul.h"
import "C"

import (
	"unsafe"

	"github.com/textground/textground/kernels"
)

var hopperWeightGrad = declareHopperVariants("hopper_weight_grad")

// sumWork is a number of products [rows, cols] over boxes of 64 positions on Hopper's engines, whose operands have so many
// numbers together. Tiles may share positions.
func sumWork(products, rows, cols, positions, boxes, packed int) engineWork {
	return engineWork{
		multiplies: float64(products*rows*cols) * float64(positions),
		rowTiles:   products * ceil(rows, C.TG_HOPPER_ROWS), cols: cols, steps: boxes,
		packed: packed, shared: products * rows * cols,
	}
}

// sharedWork is a product of matrices [inner, rows] and [inner, cols], as they are stored.
func sharedWork(rows, cols, inner int) engineWork {
	return sumWork(1, rows, cols, inner, ceil(inner, C.TG_HOPPER_INNER), (rows+cols)*inner)
}

// hopperSharedMatMul computes a product of matrices as sharedWork sees them, and takes its sums through the epilogue.
func (d *device) hopperSharedMatMul(t engineTiling, a, b kernels.Tensor, product *C.struct_tg_matmul) {
	rows, cols, line := int(product.m), int(product.n), positions{1, 1, int(product.k)}
	left, releaseLeft := d.pack(address(a), line.w, rows, a.Stride, false)
	right, releaseRight := d.pack(address(b), line.w, cols, b.Stride, false)
	partial, releasePartial := d.scratch(4 * t.splits * rows * cols)
	d.hopperSum(t, line, left, right, 1, &C.struct_tg_hopper_weight_grad{
		partial: C.uint64_t(partial), rows: C.int32_t(rows), cols: C.int32_t(cols), products: 1, across: 1,
	})
	product.partial, product.splits = C.uint64_t(partial), C.int32_t(t.splits)
	launch(d, matMulFinish, blocks(rows*cols, 256), 0, product)
	releasePartial()
	releaseRight()
	releaseLeft()
}

// convWeightWork is the weight gradient of a convolution with so many products.
func convWeightWork(s convShape, products, up int) engineWork {
	p := s.positions()
	pixels := p.b * p.h * p.w
	return sumWork(products, s.co, s.ci, pixels, summingBox(p).boxes(p), pixels*(up*up*s.co+s.ci))
}

// hopperConvolveWeights computes the partial sums of conv on Hopper's engines.
func (d *device) hopperConvolveWeights(t engineTiling, s convShape, conv *C.struct_tg_conv_weight_grad) {
	up := int(conv.up)
	left, releaseLeft := d.pack(uint64(conv.dout), up*up*s.b*s.h*s.w, s.co, s.co, false)
	right, releaseRight := d.pack(uint64(conv._map), s.b*s.h*s.w, s.ci, s.ci, false)
	d.hopperSum(t, s.positions(), left, right, up, &C.struct_tg_hopper_weight_grad{
		partial: conv.partial, rows: C.int32_t(s.co), cols: C.int32_t(s.ci),
		products: conv.up * conv.up * conv.across * conv.across, across: conv.across, first: -1,
	})
	releaseRight()
	releaseLeft()
}

// hopperSum launches the sum over positions. The left operand has up x up pixels at each.
func (d *device) hopperSum(t engineTiling, p positions, left, right packedMatrix, up int, args *C.struct_tg_hopper_weight_grad) {
	x := summingBox(p)
	args.box_w, args.box_h, args.box_b = C.int32_t(x.w), C.int32_t(x.h), C.int32_t(x.b)
	args.boxes_across, args.boxes_down = C.int32_t(ceil(p.w, x.w)), C.int32_t(ceil(p.h, x.h))
	args.splits, args.steps = C.int32_t(t.splits), C.int32_t(ceil(x.boxes(p), t.splits))
	for parity := range up * up {
		d.encode(unsafe.Pointer(&args.left[parity]), left.boxes(positions{p.b, up * p.h, up * p.w}, up, parity, x))
	}
	d.encode(unsafe.Pointer(&args.right), right.boxes(p, 1, 0, x))
	launchHopper(d, hopperWeightGrad, t, args)
}

// summingBox returns the box of exactly 64 positions of which the fewest cover p: sums leave no row of a stage out.
func summingBox(p positions) (best box) {
	for w := C.TG_HOPPER_INNER; w >= 1; w /= 2 {
		for h := C.TG_HOPPER_INNER / w; h >= 1; h /= 2 {
			x := box{w, h, C.TG_HOPPER_INNER / (w * h)}
			if best.w == 0 || x.boxes(p) < best.boxes(p) {
				best = x
			}
		}
	}
	return best
}
