//go:build cuda && cgo

package cuda

// #include "upconv3x3.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	upConvFold   = declare("upconv_fold", 256)
	upConvUnfold = declare("upconv_unfold", 256)
)

// UpConv3x3 computes out [B, 2H, 2W, Co] = up(residual) + tanh(gate)*(conv(up(in), weight) + bias).
func (d *device) UpConv3x3(out, in, weight, bias, gate, residual kernels.Tensor) {
	s := convolution("UpConv3x3", in, out, weight, 2)
	s.requireGated("UpConv3x3", bias, gate, residual, []int{s.b, s.h, s.w, s.co})
	packed, release := d.foldUpConv(weight, s, false)
	d.convolve(s, &C.struct_tg_conv{
		out: C.uint64_t(address(out)), _map: C.uint64_t(address(in)), packed: packed,
		bias: C.uint64_t(address(bias)), gate: C.uint64_t(address(gate)), residual: C.uint64_t(address(residual)),
		map_h: C.int32_t(s.h), map_w: C.int32_t(s.w), inner: C.int32_t(s.ci), cols: C.int32_t(s.co),
		across: 2, step: 1, first: -1, up: 2,
	})
	release()
}

// UpConv3x3InputGrad computes din [B, H, W, Ci] from dout [B, 2H, 2W, Co].
func (d *device) UpConv3x3InputGrad(din, dout, weight, gate kernels.Tensor) {
	s := convolution("UpConv3x3InputGrad", din, dout, weight, 2)
	kernels.Require("UpConv3x3InputGrad: gate", gate, kernels.Float32, 1)
	packed, release := d.foldUpConv(weight, s, true)
	d.convolve(s, &C.struct_tg_conv{
		out: C.uint64_t(address(din)), _map: C.uint64_t(address(dout)), packed: packed, gate: C.uint64_t(address(gate)),
		map_h: C.int32_t(2 * s.h), map_w: C.int32_t(2 * s.w), inner: C.int32_t(s.co), cols: C.int32_t(s.ci),
		across: 4, step: 2, first: -1, up: 1,
	})
	release()
}

// UpConv3x3WeightGrad computes dweight and dbias of the ungated convolution of the upsampled input.
func (d *device) UpConv3x3WeightGrad(dweight, dbias, in, dout kernels.Tensor) {
	s := convolution("UpConv3x3WeightGrad", in, dout, dweight, 2)
	d.convolveWeights(s, dweight, in, dout, 2, 2, upConvUnfold)
	d.biasGrad("UpConv3x3WeightGrad", dbias, dout)
}

// foldUpConv folds weight into sixteen matrices, for the forward or, turned, for the input gradient.
func (d *device) foldUpConv(weight kernels.Tensor, s convShape, turned bool) (packed C.uint64_t, release func()) {
	at, release := d.scratch(4 * 16 * s.co * s.ci)
	launch(d, upConvFold, blocks(s.co*s.ci, 256), 0, &C.struct_tg_upconv_fold{
		packed: C.uint64_t(at), weight: C.uint64_t(address(weight)), co: C.int32_t(s.co), ci: C.int32_t(s.ci), turned: flag(turned),
	})
	return C.uint64_t(at), release
}
