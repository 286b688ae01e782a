//go:build cuda && cgo

package cuda

// #include "gate.h"
import "C"

import "github.com/textground/textground/kernels"

var (
	gateSlope = declare("gate_slope", 256)
	gateScale = declare("gate_scale", 256)
)

// GateBackward makes the gate's gradient from the convolution's and scales that.
func (d *device) GateBackward(dgate, dweight, dbias, weight, bias, gate kernels.Tensor) {
	kernels.Require("GateBackward: dgate", dgate, kernels.Float32, 1)
	kernels.Require("GateBackward: gate", gate, kernels.Float32, 1)
	kernels.Require("GateBackward: weight", weight, kernels.Float32, dweight.Len())
	kernels.Require("GateBackward: dweight", dweight, kernels.Float32, weight.Len())
	kernels.Require("GateBackward: bias", bias, kernels.Float32, dbias.Len())
	kernels.Require("GateBackward: dbias", dbias, kernels.Float32, bias.Len())
	weights, biases := productBlocks(weight.Len()), productBlocks(bias.Len())
	partial, release := d.scratch(8 * (weights + biases))
	defer release()
	d.innerProducts(partial, dweight, weight)
	d.innerProducts(partial+8*uint64(weights), dbias, bias)
	launch(d, gateSlope, grid{X: 1}, 0, &C.struct_tg_gate_slope{
		dgate: pointer(dgate), partial: C.uint64_t(partial), gate: pointer(gate), partials: C.int64_t(weights + biases),
	})
	for _, grad := range []kernels.Tensor{dweight, dbias} {
		launch(d, gateScale, blocks(grad.Len(), 256), 0, &C.struct_tg_gate_scale{
			x: pointer(grad), gate: pointer(gate), n: C.int64_t(grad.Len()),
		})
	}
}
