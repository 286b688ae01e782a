//go:build cuda && cgo

package cuda

// #include "conv3x3.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	convPack       = declare("conv_pack", 256)
	conv           = declareVariants("conv", "")
	convWeightGrad = declareVariants("conv_weight_grad", "")
	convUnpack     = declare("conv_unpack", 256)
)

// Conv3x3 computes out [B, H, W, Co] = residual + tanh(gate)*(conv(in, weight) + bias).
func (d *device) Conv3x3(out, in, weight, bias, gate, residual kernels.Tensor) {
	s := convolution("Conv3x3", in, out, weight, 1)
	s.requireGated("Conv3x3", bias, gate, residual, out.Shape)
	packed, release := d.packConv(weight, s, false)
	d.convolve(s, &C.struct_tg_conv{
		out: C.uint64_t(address(out)), _map: C.uint64_t(address(in)), packed: packed,
		bias: C.uint64_t(address(bias)), gate: C.uint64_t(address(gate)), residual: C.uint64_t(address(residual)),
		map_h: C.int32_t(s.h), map_w: C.int32_t(s.w), inner: C.int32_t(s.ci), cols: C.int32_t(s.co),
		across: 3, step: 1, first: -1, up: 1,
	})
	release()
}

// Conv3x3InputGrad computes din [B, H, W, Ci] = tanh(gate) * conv transposed(dout).
func (d *device) Conv3x3InputGrad(din, dout, weight, gate kernels.Tensor) {
	s := convolution("Conv3x3InputGrad", din, dout, weight, 1)
	kernels.Require("Conv3x3InputGrad: gate", gate, kernels.Float32, 1)
	packed, release := d.packConv(weight, s, true)
	d.convolve(s, &C.struct_tg_conv{
		out: C.uint64_t(address(din)), _map: C.uint64_t(address(dout)), packed: packed, gate: C.uint64_t(address(gate)),
		map_h: C.int32_t(s.h), map_w: C.int32_t(s.w), inner: C.int32_t(s.co), cols: C.int32_t(s.ci),
		across: 3, step: 1, first: -1, up: 1,
	})
	release()
}

// Conv3x3WeightGrad computes dweight and dbias of the ungated convolution.
func (d *device) Conv3x3WeightGrad(dweight, dbias, in, dout kernels.Tensor) {
	s := convolution("Conv3x3WeightGrad", in, dout, dweight, 1)
	d.convolveWeights(s, dweight, in, dout, 3, 1, convUnpack)
	d.biasGrad("Conv3x3WeightGrad", dbias, dout)
}

// convShape is a convolution between maps [b, h, w, ci] and [b, up*h, up*w, co].
type convShape struct{ b, h, w, ci, co int }

// convolution checks the maps and the weight between them.
func convolution(what string, small, large, weight kernels.Tensor, up int) convShape {
	kernels.RequireShape(what+": input map", small, append([]int(nil), small.Shape...)...)
	s := convShape{small.Shape[0], small.Shape[1], small.Shape[2], small.Shape[3], large.Cols()}
	kernels.RequireShape(what+": output map", large, s.b, up*s.h, up*s.w, s.co)
	kernels.RequireShape(what+": weight", weight, s.co, s.ci, 3, 3)
	return s
}

// requireGated checks what the epilogue of a convolution reads.
func (s convShape) requireGated(what string, bias, gate, residual kernels.Tensor, residualShape []int) {
	kernels.Require(what+": bias", bias, kernels.Float32, s.co)
	kernels.Require(what+": gate", gate, kernels.Float32, 1)
	kernels.RequireShape(what+": residual", residual, residualShape...)
}

// packConv brings weight into the order of the product, for the forward or, turned, for the input gradient.
func (d *device) packConv(weight kernels.Tensor, s convShape, turned bool) (packed C.uint64_t, release func()) {
	at, release := d.scratch(4 * weight.Len())
	launch(d, convPack, blocks(s.co*s.ci, 256), 0, &C.struct_tg_conv_pack{
		packed: C.uint64_t(at), weight: C.uint64_t(address(weight)), co: C.int32_t(s.co), ci: C.int32_t(s.ci), turned: flag(turned),
	})
	return C.uint64_t(at), release
}

// convolve launches a convolution over the positions of s, one for each parity of its outputs.
func (d *device) convolve(s convShape, a *C.struct_tg_conv) {
	a.batch, a.h, a.w = C.int32_t(s.b), C.int32_t(s.h), C.int32_t(s.w)
	if w := convWork(s.positions(), int(a.inner), int(a.cols), int(a.across), int(a.step), int(a.up)); d.hopper && w.pays(w.tiling()) {
		d.hopperConvolve(w.tiling(), s, a)
		return
	}
	parities := int(a.up * a.up)
	t := d.tile(conv, s.b*s.h*s.w, int(a.cols), parities, 1)
	launch(d, t.kernel, grid{X: t.tiles, Y: parities}, 0, a)
}

// convolveWeights computes dweight. It makes a product for each of across*across taps of each parity; unpack adds them up.
func (d *device) convolveWeights(s convShape, dweight, in, dout kernels.Tensor, across, up int, unpack *kernel) {
	products, positions := up*up*across*across, s.b*s.h*s.w
	t, w := d.tile(convWeightGrad, s.co, s.ci, products, ceil(positions, innerStep)), convWeightWork(s, products, up)
	hopper := d.hopper && w.pays(w.tiling())
	if hopper {
		t.splits = w.tiling().splits
	}
	partial, release := d.scratch(4 * t.splits * products * s.co * s.ci)
	args := &C.struct_tg_conv_weight_grad{
		partial: C.uint64_t(partial), _map: C.uint64_t(address(in)), dout: C.uint64_t(address(dout)),
		batch: C.int32_t(s.b), h: C.int32_t(s.h), w: C.int32_t(s.w), ci: C.int32_t(s.ci), co: C.int32_t(s.co),
		across: C.int32_t(across), up: C.int32_t(up),
	}
	if hopper {
		d.hopperConvolveWeights(w.tiling(), s, args)
	} else {
		launch(d, t.kernel, grid{X: t.tiles, Y: products, Z: t.splits}, 0, args)
	}
	launch(d, unpack, blocks(dweight.Len(), 256), 0, &C.struct_tg_conv_unpack{
		dweight: C.uint64_t(address(dweight)), partial: C.uint64_t(partial),
		co: C.int32_t(s.co), ci: C.int32_t(s.ci), splits: C.int32_t(t.splits),
	})
	release()
}

// biasGrad computes dbias [Co], the sums of dout over all pixels, in float32 whatever the precision.
func (d *device) biasGrad(what string, dbias, dout kernels.Tensor) {
	kernels.Require(what+": dbias", dbias, kernels.Float32, dout.Cols())
	d.Zero(dbias)
	d.ColumnSums(dbias, dout)
}
