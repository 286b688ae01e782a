//go:build cgo

package cpu

// #include "gate.h"
import "C"

import "github.com/textground/textground/kernels"

// GateBackward makes the gate's gradient from the convolution's and scales that.
func (d *device) GateBackward(dgate, dweight, dbias, weight, bias, gate kernels.Tensor) {
	kernels.Require("GateBackward: dgate", dgate, kernels.Float32, 1)
	kernels.Require("GateBackward: gate", gate, kernels.Float32, 1)
	kernels.Require("GateBackward: weight", weight, kernels.Float32, dweight.Len())
	kernels.Require("GateBackward: dweight", dweight, kernels.Float32, weight.Len())
	kernels.Require("GateBackward: bias", bias, kernels.Float32, dbias.Len())
	kernels.Require("GateBackward: dbias", dbias, kernels.Float32, bias.Len())
	C.tg_gate_backward(d.pool.c, &C.struct_tg_gate_backward{
		weights: C.long(weight.Len()), biases: C.long(bias.Len()), dgate: floats(dgate), dweight: floats(dweight), dbias: floats(dbias),
		weight: floats(weight), bias: floats(bias), gate: floats(gate),
	})
	d.countScratch()
}
