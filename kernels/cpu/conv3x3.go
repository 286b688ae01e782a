//go:build cgo

package cpu

// #include "conv3x3.h"
import "C"

import "github.com/textground/textground/kernels"

// Conv3x3 computes out [B, H, W, Co] = residual + tanh(gate)*(conv(in, weight) + bias).
func (d *device) Conv3x3(out, in, weight, bias, gate, residual kernels.Tensor) {
	o := d.convolution("Conv3x3", in, out, weight, 1)
	o.bias, o.gate, o.residual = d.gated("Conv3x3", bias, gate, residual, out.Shape)
	C.tg_conv3x3(d.pool.c, &o)
	d.countScratch()
}

// Conv3x3InputGrad computes din [B, H, W, Ci] = tanh(gate) * conv transposed(dout).
func (d *device) Conv3x3InputGrad(din, dout, weight, gate kernels.Tensor) {
	o := d.convolution("Conv3x3InputGrad", din, dout, weight, 1)
	kernels.Require("Conv3x3InputGrad: gate", gate, kernels.Float32, 1)
	o.gate = floats(gate)
	C.tg_conv3x3_input_grad(d.pool.c, &o)
	d.countScratch()
}

// Conv3x3WeightGrad computes dweight and dbias of the ungated convolution.
func (d *device) Conv3x3WeightGrad(dweight, dbias, in, dout kernels.Tensor) {
	o := d.convolution("Conv3x3WeightGrad", in, dout, dweight, 1)
	kernels.Require("Conv3x3WeightGrad: dbias", dbias, kernels.Float32, int(o.co))
	o.dbias = floats(dbias)
	C.tg_conv3x3_weight_grad(d.pool.c, &o)
	d.countScratch()
}

// convolution describes the maps small [B, H, W, Ci] and large [B, up*H, up*W, Co] and the weight between them, all of them
// both as inputs and as outputs.
func (d *device) convolution(what string, small, large, weight kernels.Tensor, up int) C.struct_tg_conv {
	kernels.RequireShape(what+": input map", small, append([]int(nil), small.Shape...)...)
	b, h, w, ci := small.Shape[0], small.Shape[1], small.Shape[2], small.Shape[3]
	co := large.Cols()
	kernels.RequireShape(what+": output map", large, b, up*h, up*w, co)
	kernels.RequireShape(what+": weight", weight, co, ci, 3, 3)
	return C.struct_tg_conv{
		b: C.long(b), h: C.long(h), w: C.long(w), ci: C.long(ci), co: C.long(co),
		in: floats(small), din: floats(small), out: floats(large), dout: floats(large),
		weight: floats(weight), dweight: floats(weight),
	}
}

// gated checks what the epilogue of a convolution reads.
func (d *device) gated(what string, bias, gate, residual kernels.Tensor, residualShape []int) (b, g, r *C.float) {
	kernels.Require(what+": bias", bias, kernels.Float32, residualShape[3])
	kernels.Require(what+": gate", gate, kernels.Float32, 1)
	kernels.RequireShape(what+": residual", residual, residualShape...)
	return floats(bias), floats(gate), floats(residual)
}
