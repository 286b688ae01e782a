//go:build cuda && cgo

package cuda

// #include "hopper_conv.h"
import "C"

import "unsafe"

var hopperConv = declareHopperVariants("hopper_conv")

func (s convShape) positions() positions { return positions{s.b, s.h, s.w} }

// tileBox returns the box of at most 128 positions of which the fewest cover p. Among equals it is the widest, whose positions
// share the most pixels. Maps of 56 x 56, 28 x 28 and 14 x 14 of many images leave no row of a tile empty.
func tileBox(p positions) box {
	best := box{1, 1, 1}
	for w := min(p.w, C.TG_HOPPER_ROWS); w >= 1; w-- {
		for h := min(p.h, C.TG_HOPPER_ROWS/w); h >= 1; h-- {
			x := box{w, h, min(p.b, C.TG_HOPPER_ROWS/(w*h))}
			if x.boxes(p) < best.boxes(p) {
				best = x
			}
		}
	}
	return best
}

// convWork is a convolution of `inner` channels to cols on Hopper's engines, with the other numbers as in tg_conv. Its weights
// are brought into order before they are packed: that counts twice.
func convWork(p positions, inner, cols, across, step, up int) engineWork {
	parities, taps, pixels := up*up, across*across, p.b*p.h*p.w*step*step
	return engineWork{
		multiplies: float64(parities*p.b*p.h*p.w*cols) * float64(taps*inner),
		rowTiles:   parities * tileBox(p).boxes(p), cols: cols, steps: taps * ceil(inner, C.TG_HOPPER_INNER),
		packed: (pixels + 2*parities*taps*cols) * inner,
	}
}

// hopperConvolve computes a convolution on Hopper's engines.
func (d *device) hopperConvolve(t engineTiling, s convShape, conv *C.struct_tg_conv) {
	pixelMap := positions{s.b, int(conv.map_h), int(conv.map_w)}
	cols, inner, matrices := int(conv.cols), int(conv.inner), int(conv.up*conv.up*conv.across*conv.across)
	pixels, releasePixels := d.pack(uint64(conv._map), pixelMap.b*pixelMap.h*pixelMap.w, inner, inner, false)
	weights, releaseWeights := d.pack(uint64(conv.packed), matrices*cols, inner, inner, false)
	x := tileBox(s.positions())
	args := &C.struct_tg_hopper_conv{conv: *conv, box_w: C.int32_t(x.w), box_h: C.int32_t(x.h), box_b: C.int32_t(x.b)}
	step := int(conv.step)
	for parity := range step * step {
		d.encode(unsafe.Pointer(&args.pixels[parity]), pixels.boxes(pixelMap, step, parity, x))
	}
	d.encode(unsafe.Pointer(&args.weights), weights.stack(cols, matrices, t.cols))
	launchHopper(d, hopperConv, t, args)
	releaseWeights()
	releasePixels()
}
