package tcl

import "github.com/textground/textground/kernels"

// gated is one residual gated convolution of the decoder: its weights or their gradients (tcl-spec section 2.4).
type gated struct {
	norm         norm
	weight, bias kernels.Tensor // [D, D, 3, 3], [D]
	gate         kernels.Tensor // scalar g, which scales by tanh(g)
}

// decoder is two stages of two gated convolutions; the first of each stage doubles the map.
type decoder [stages][2]gated

func newDecoder(get lookup) decoder {
	var d decoder
	for stage := range d {
		for i := range d[stage] {
			prefix := gatedPrefix(stage, i)
			d[stage][i] = gated{newNorm(get, prefix+"norm."), get(prefix + "conv.weight"), get(prefix + "conv.bias"), get(prefix + "gate.gate")}
		}
	}
	return d
}

// gatedMemory holds the activations of one gated convolution. Layer norm and GELU run on the map before it is doubled.
type gatedMemory struct {
	stats     kernels.Tensor // [positions, 2]; absent where no gradient is wanted
	activated kernels.Tensor // the convolution's input, of the shape of the map that comes in
	out       kernels.Tensor // [B, height, width, D]
}

// decoderMemory holds the decoder's activations; map x of [B, h, w, D] comes in, [B, 4h, 4w, D] leaves.
type decoderMemory struct {
	x    kernels.Tensor
	maps [stages][2]gatedMemory
}

// newDecoderMemory allocates for maps of h x w; without gradients the stats are left out.
func newDecoderMemory(a *arena, batch, h, w, width int, gradients bool) decoderMemory {
	m := decoderMemory{x: a.floats(batch, h, w, width)}
	for stage := range m.maps {
		for i := range m.maps[stage] {
			g := gatedMemory{activated: a.floats(batch, h, w, width)}
			if gradients {
				g.stats = a.floats(batch*h*w, 2)
			}
			if i == 0 {
				h, w = 2*h, 2*w
			}
			g.out = a.floats(batch, h, w, width)
			m.maps[stage][i] = g
		}
	}
	return m
}

// out returns the decoder's output.
func (m decoderMemory) out() kernels.Tensor { return m.maps[stages-1][1].out }

// in returns the input of gated convolution i of a stage.
func (m decoderMemory) in(stage, i int) kernels.Tensor {
	switch {
	case i == 1:
		return m.maps[stage][0].out
	case stage > 0:
		return m.maps[stage-1][1].out
	}
	return m.x
}

// forward computes m.out() from m.x.
func (d *decoder) forward(dev kernels.Device, m decoderMemory) {
	for stage := range d {
		for i := range d[stage] {
			d[stage][i].forward(dev, m.in(stage, i), m.maps[stage][i], i == 0)
		}
	}
}

// forward computes m.out = up(x) + tanh(g)*conv(up(GELU(LN(x)))), up doubling the map or doing nothing.
func (g *gated) forward(dev kernels.Device, x kernels.Tensor, m gatedMemory, doubles bool) {
	dev.LayerNormGELU(m.activated, m.stats, x, g.norm.gamma, g.norm.beta)
	if doubles {
		dev.UpConv3x3(m.out, m.activated, g.weight, g.bias, g.gate, x)
	} else {
		dev.Conv3x3(m.out, m.activated, g.weight, g.bias, g.gate, x)
	}
}

// decoderScratch is the working space of the decoder's backward pass.
type decoderScratch struct {
	large      kernels.Tensor // [B*P, D]: the gradient of the map that leaves
	small      kernels.Tensor // [B*P/4, D]
	activation kernels.Tensor // [B*P, D]
}

func newDecoderScratch(a *arena, rows, width int) decoderScratch {
	return decoderScratch{large: a.floats(rows, width), small: a.floats(rows/4, width), activation: a.floats(rows, width)}
}

// backward fills grads from the gradient of m.out() in s.large and returns the gradient of m.x, which lies in s.
func (d *decoder) backward(dev kernels.Device, m decoderMemory, grads *decoder, s decoderScratch) kernels.Tensor {
	dx := s.large.Reshape(m.out().Shape...)
	other := s.small
	for stage := stages - 1; stage >= 0; stage-- {
		d[stage][1].backward(dev, dx, m.in(stage, 1), m.maps[stage][1], &grads[stage][1], s.activation)
		dsmall := other.View(0, m.in(stage, 0).Shape...)
		d[stage][0].backwardDoubling(dev, dsmall, dx, m.in(stage, 0), m.maps[stage][0], &grads[stage][0], s.activation)
		dx, other = dsmall, s.large
	}
	return dx
}

// backward turns dx, the gradient of m.out, into that of x, and fills grads.
func (g *gated) backward(dev kernels.Device, dx, x kernels.Tensor, m gatedMemory, grads *gated, activation kernels.Tensor) {
	dactivated := activation.View(0, x.Shape...)
	dev.Conv3x3WeightGrad(grads.weight, grads.bias, m.activated, dx)
	dev.Conv3x3InputGrad(dactivated, dx, g.weight, g.gate)
	dev.GateBackward(grads.gate, grads.weight, grads.bias, g.weight, g.bias, g.gate)
	dev.LayerNormGELUBackward(dx, grads.norm.gamma, grads.norm.beta, dactivated, x, m.stats, g.norm.gamma, g.norm.beta)
}

// backwardDoubling computes dx [B, h, w, D] from dout [B, 2h, 2w, D], and fills grads.
func (g *gated) backwardDoubling(dev kernels.Device, dx, dout, x kernels.Tensor, m gatedMemory, grads *gated, activation kernels.Tensor) {
	dactivated := activation.View(0, x.Shape...)
	dev.UpConv3x3WeightGrad(grads.weight, grads.bias, m.activated, dout)
	dev.UpConv3x3InputGrad(dactivated, dout, g.weight, g.gate)
	dev.GateBackward(grads.gate, grads.weight, grads.bias, g.weight, g.bias, g.gate)
	dev.Zero(dx)
	dev.UpsampleBackward(dx, dout)
	dev.LayerNormGELUBackward(dx, grads.norm.gamma, grads.norm.beta, dactivated, x, m.stats, g.norm.gamma, g.norm.beta)
}
