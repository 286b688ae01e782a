package ref

import "github.com/textground/textground/kernels"

// GateBackward uses that the ungated convolution is linear in (weight, bias): <dout, conv> = <dweight, weight> + <dbias, bias>.
func (d *device) GateBackward(dgate, dweight, dbias, weight, bias, gate kernels.Tensor) {
	kernels.Require("GateBackward: dgate", dgate, kernels.Float32, 1)
	kernels.Require("GateBackward: dweight", dweight, kernels.Float32, weight.Len())
	kernels.Require("GateBackward: dbias", dbias, kernels.Float32, bias.Len())
	scale := gateOf(gate)
	inner := innerProduct(values(dweight), values(weight)) + innerProduct(values(dbias), values(bias))
	values(dgate)[0] = float32((1 - scale*scale) * inner)
	for _, grad := range [][]float32{values(dweight), values(dbias)} {
		for i, v := range grad {
			grad[i] = float32(scale * float64(v))
		}
	}
}

// sumBlock is the number of elements that are added up by themselves in long sums.
const sumBlock = 65536

// innerProduct adds within blocks, then over blocks, both in order.
func innerProduct(x, y []float32) float64 {
	total := 0.0
	for first := 0; first < len(x); first += sumBlock {
		sum := 0.0
		for i := first; i < min(first+sumBlock, len(x)); i++ {
			sum += float64(x[i]) * float64(y[i])
		}
		total += sum
	}
	return total
}
