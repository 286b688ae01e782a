package ref

import "github.com/textground/textground/kernels"

// UpConv3x3 upsamples and convolves, as written: the fold into 2x2 kernels is the faster devices' business.
func (d *device) UpConv3x3(out, in, weight, bias, gate, residual kernels.Tensor) {
	convolve(mapOf(out), upsampled(mapOf(in)), weight, bias, gate, upsampled(mapOf(residual)))
}

// UpConv3x3InputGrad convolves back, then adds 2x2 blocks.
func (d *device) UpConv3x3InputGrad(din, dout, weight, gate kernels.Tensor) {
	small, large := mapOf(din), mapOf(dout)
	wide := featureMap{make([]float32, 4*len(small.data)), small.batch, 2 * small.height, 2 * small.width, small.channels}
	convolveInputGrad(wide, large, weight, gate)
	clear(small.data)
	addBlocks(small, wide)
}

// UpConv3x3WeightGrad works on the upsampled input.
func (d *device) UpConv3x3WeightGrad(dweight, dbias, in, dout kernels.Tensor) {
	convolveWeightGrad(dweight, dbias, upsampled(mapOf(in)), mapOf(dout))
}

// UpsampleBackward adds 2x2 blocks.
func (d *device) UpsampleBackward(dx, dy kernels.Tensor) {
	small := mapOf(dx)
	kernels.RequireShape("UpsampleBackward: dy", dy, small.batch, 2*small.height, 2*small.width, small.channels)
	addBlocks(small, mapOf(dy))
}

// upsampled repeats every position in a 2x2 block.
func upsampled(m featureMap) featureMap {
	up := featureMap{make([]float32, 4*len(m.data)), m.batch, 2 * m.height, 2 * m.width, m.channels}
	parallel(up.batch*up.height, func(line int) {
		b, y := line/up.height, line%up.height
		for x := range up.width {
			copy(up.at(b, y, x), m.at(b, y/2, x/2))
		}
	})
	return up
}

// addBlocks computes small += the sums of large's 2x2 blocks.
func addBlocks(small, large featureMap) {
	parallel(small.batch*small.height, func(line int) {
		b, y := line/small.height, line%small.height
		for x := range small.width {
			sum := small.at(b, y, x)
			for c := range sum {
				block := float64(large.at(b, 2*y, 2*x)[c]) + float64(large.at(b, 2*y, 2*x+1)[c]) +
					float64(large.at(b, 2*y+1, 2*x)[c]) + float64(large.at(b, 2*y+1, 2*x+1)[c])
				sum[c] += float32(block)
			}
		}
	})
}
