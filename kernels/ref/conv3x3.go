package ref

import (
	"math"

	"github.com/textground/textground/kernels"
)

// taps is the number of positions of a 3x3 kernel.
const taps = 9

// featureMap is a dense map [batch, height, width, channels].
type featureMap struct {
	data                           []float32
	batch, height, width, channels int
}

func mapOf(t kernels.Tensor) featureMap {
	kernels.RequireShape("map", t, t.Shape...)
	return featureMap{values(t), t.Shape[0], t.Shape[1], t.Shape[2], t.Shape[3]}
}

// at returns the channels at (y, x) of image b, nil in the zero padding outside.
func (m featureMap) at(b, y, x int) []float32 {
	if y < 0 || y >= m.height || x < 0 || x >= m.width {
		return nil
	}
	return m.data[((b*m.height+y)*m.width+x)*m.channels:][:m.channels]
}

// Conv3x3 adds over (ky, kx, ci) in float64.
func (d *device) Conv3x3(out, in, weight, bias, gate, residual kernels.Tensor) {
	kernels.Require("Conv3x3: residual", residual, kernels.Float32, out.Len())
	convolve(mapOf(out), mapOf(in), weight, bias, gate, mapOf(residual))
}

func convolve(out, in featureMap, weight, bias, gate kernels.Tensor, residual featureMap) {
	kernels.RequireShape("Conv3x3: weight", weight, out.channels, in.channels, 3, 3)
	kernels.Require("Conv3x3: bias", bias, kernels.Float32, out.channels)
	kernel := inputMajor(weight)
	shift, scale := widen(values(bias)), gateOf(gate)
	parallel(out.batch*out.height, func(line int) {
		b, y := line/out.height, line%out.height
		for x := range out.width {
			sum := append([]float64(nil), shift...)
			for tap := range taps {
				if src := in.at(b, y+tap/3-1, x+tap%3-1); src != nil {
					accumulate(sum, widen(src), kernel[tap])
				}
			}
			for c, r := range residual.at(b, y, x) {
				out.at(b, y, x)[c] = float32(float64(r) + scale*sum[c])
			}
		}
	})
}

// gateOf returns tanh(g).
func gateOf(gate kernels.Tensor) float64 {
	kernels.Require("gate", gate, kernels.Float32, 1)
	return math.Tanh(float64(values(gate)[0]))
}

// inputMajor returns weight [out, in, 3, 3] as nine matrices [in, out].
func inputMajor(weight kernels.Tensor) (kernel [taps][]float64) {
	outs, ins, w := weight.Shape[0], weight.Shape[1], values(weight)
	for tap := range kernel {
		kernel[tap] = make([]float64, ins*outs)
		for i := range kernel[tap] {
			kernel[tap][i] = float64(w[(i%outs*ins+i/outs)*taps+tap])
		}
	}
	return kernel
}

// outputMajor returns weight [out, in, 3, 3] as nine matrices [out, in].
func outputMajor(weight kernels.Tensor) (kernel [taps][]float64) {
	outs, ins, w := weight.Shape[0], weight.Shape[1], values(weight)
	for tap := range kernel {
		kernel[tap] = make([]float64, outs*ins)
		for i := range kernel[tap] {
			kernel[tap][i] = float64(w[i*taps+tap])
		}
	}
	return kernel
}

// Conv3x3InputGrad gathers: input (y, x) met output (y+1-ky, x+1-kx) through tap (ky, kx).
func (d *device) Conv3x3InputGrad(din, dout, weight, gate kernels.Tensor) {
	convolveInputGrad(mapOf(din), mapOf(dout), weight, gate)
}

func convolveInputGrad(din, dout featureMap, weight, gate kernels.Tensor) {
	kernels.RequireShape("Conv3x3InputGrad: weight", weight, dout.channels, din.channels, 3, 3)
	kernel, scale := outputMajor(weight), gateOf(gate)
	parallel(din.batch*din.height, func(line int) {
		b, y := line/din.height, line%din.height
		for x := range din.width {
			sum := make([]float64, din.channels)
			for tap := range taps {
				if src := dout.at(b, y+1-tap/3, x+1-tap%3); src != nil {
					accumulate(sum, widen(src), kernel[tap])
				}
			}
			for c, v := range sum {
				din.at(b, y, x)[c] = float32(scale * v)
			}
		}
	})
}

// Conv3x3WeightGrad adds over images, lines and columns in order.
func (d *device) Conv3x3WeightGrad(dweight, dbias, in, dout kernels.Tensor) {
	convolveWeightGrad(dweight, dbias, mapOf(in), mapOf(dout))
}

func convolveWeightGrad(dweight, dbias kernels.Tensor, in, dout featureMap) {
	kernels.RequireShape("Conv3x3WeightGrad: dweight", dweight, dout.channels, in.channels, 3, 3)
	kernels.Require("Conv3x3WeightGrad: dbias", dbias, kernels.Float32, dout.channels)
	wide := widen(in.data)
	parallel(dout.channels, func(co int) {
		sums, biasSum := make([]float64, taps*in.channels), 0.0 // [3, 3, in]
		for b := range dout.batch {
			for y := range dout.height {
				for x := range dout.width {
					g := float64(dout.at(b, y, x)[co])
					biasSum += g
					for tap := range taps {
						if in.at(b, y+tap/3-1, x+tap%3-1) != nil {
							place := (b*in.height+y+tap/3-1)*in.width + x + tap%3 - 1
							axpy(sums[tap*in.channels:][:in.channels], g, wide[place*in.channels:][:in.channels])
						}
					}
				}
			}
		}
		for ci := range in.channels {
			for tap := range taps {
				values(dweight)[(co*in.channels+ci)*taps+tap] = float32(sums[tap*in.channels+ci])
			}
		}
		values(dbias)[co] = float32(biasSum)
	})
}
