//go:build cgo

package cpu

// #include "upconv3x3.h"
import "C"

import "github.com/textground/textground/kernels"

// UpConv3x3 computes out [B, 2H, 2W, Co] = up(residual) + tanh(gate)*(conv(up(in), weight) + bias).
func (d *device) UpConv3x3(out, in, weight, bias, gate, residual kernels.Tensor) {
	o := d.convolution("UpConv3x3", in, out, weight, 2)
	o.bias, o.gate, o.residual = d.gated("UpConv3x3", bias, gate, residual, []int{in.Shape[0], in.Shape[1], in.Shape[2], out.Cols()})
	C.tg_upconv3x3(d.pool.c, &o)
	d.countScratch()
}

// UpConv3x3InputGrad computes din [B, H, W, Ci] from dout [B, 2H, 2W, Co].
func (d *device) UpConv3x3InputGrad(din, dout, weight, gate kernels.Tensor) {
	o := d.convolution("UpConv3x3InputGrad", din, dout, weight, 2)
	kernels.Require("UpConv3x3InputGrad: gate", gate, kernels.Float32, 1)
	o.gate = floats(gate)
	C.tg_upconv3x3_input_grad(d.pool.c, &o)
	d.countScratch()
}

// UpConv3x3WeightGrad computes dweight and dbias of the ungated convolution of the upsampled input.
func (d *device) UpConv3x3WeightGrad(dweight, dbias, in, dout kernels.Tensor) {
	o := d.convolution("UpConv3x3WeightGrad", in, dout, dweight, 2)
	kernels.Require("UpConv3x3WeightGrad: dbias", dbias, kernels.Float32, int(o.co))
	o.dbias = floats(dbias)
	C.tg_upconv3x3_weight_grad(d.pool.c, &o)
	d.countScratch()
}
