package ref_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/ref"
)

const seed = 38

// bench makes tensors on a reference device.
type bench struct {
	t    *testing.T
	dev  kernels.Device
	made uint32
}

func newBench(t *testing.T) *bench {
	t.Logf("seed %d", seed)
	return &bench{t: t, dev: ref.New()}
}

// random returns values between -1 and 1.
func (b *bench) random(shape ...int) kernels.Tensor { return b.uniform(-1, 1, shape...) }

func (b *bench) uniform(lo, hi float32, shape ...int) kernels.Tensor {
	b.made++
	t := b.dev.Alloc(kernels.Float32, shape...)
	host := kernels.Host[float32](t)
	philox.NewKey(seed, philox.Test).Uniforms(host, 0, b.made)
	for i, u := range host {
		host[i] = lo + (hi-lo)*u
	}
	return t
}

func (b *bench) zeros(shape ...int) kernels.Tensor { return b.dev.Alloc(kernels.Float32, shape...) }

func (b *bench) set(values ...float32) kernels.Tensor {
	t := b.dev.Alloc(kernels.Float32, len(values))
	b.dev.Upload(t, values)
	return t
}

func (b *bench) scalar(v float32) kernels.Tensor { return b.set(v).Reshape() }

// inner is <x, weights>: a loss whose gradient with respect to x is weights.
func inner(x, weights kernels.Tensor) float64 {
	sum := 0.0
	for i, v := range kernels.Host[float32](x) {
		sum += float64(v) * float64(kernels.Host[float32](weights)[i])
	}
	return sum
}

// gradient is what a backward computed for one input of the loss.
type gradient struct {
	name     string
	of, made kernels.Tensor
}

// check holds gradients to central differences of loss. step is chosen so that the rounding of float32 outputs and the
// curvature stay below tolerance, which is relative to the largest component.
func (b *bench) check(loss func() float64, tolerance float64, gradients ...gradient) {
	b.t.Helper()
	const step = 1.0 / 128
	for _, g := range gradients {
		x, made := kernels.Host[float32](g.of), kernels.Host[float32](g.made)
		largest, worst, at := 0.0, 0.0, 0
		slopes := make([]float64, len(x))
		for i, v := range x {
			x[i] = v + step
			up, high := loss(), float64(x[i])
			x[i] = v - step
			down, low := loss(), float64(x[i])
			x[i] = v
			slopes[i] = (up - down) / (high - low)
			largest = max(largest, math.Abs(slopes[i]))
			if d := math.Abs(slopes[i] - float64(made[i])); !(d <= worst) {
				worst, at = d, i
			}
		}
		if !(worst <= tolerance*largest) {
			b.t.Errorf("%s: element %d is %v, differences give %v (largest %v)", g.name, at, made[at], slopes[at], largest)
		}
	}
}

func TestMatMulSlopeIsTheActivationsDerivative(t *testing.T) {
	for name, act := range map[string]kernels.Activation{"QuickGELU": kernels.QuickGELU, "GELU": kernels.GELU} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			// y = act(a·w^T), dy given; dpre = dy * slope through an identity product.
			a, w, y, pre, dy := b.uniform(-3, 3, 4, 5), b.random(3, 5), b.zeros(4, 3), b.zeros(4, 3), b.random(4, 3)
			forward := func() float64 {
				b.dev.MatMul(y, a, w, kernels.MatMul{TransB: true, Act: act, Pre: pre})
				return inner(y, dy)
			}
			forward()
			identity := b.set(1, 0, 0, 0, 1, 0, 0, 0, 1).Reshape(3, 3)
			dpre, da, dw := b.zeros(4, 3), b.zeros(4, 5), b.zeros(3, 5)
			b.dev.MatMul(dpre, dy, identity, kernels.MatMul{ActGrad: act, Pre: pre})
			b.dev.MatMul(da, dpre, w, kernels.MatMul{})
			b.dev.MatMul(dw, dpre, a, kernels.MatMul{TransA: true})
			b.check(forward, 1e-4, gradient{"a", a, da}, gradient{"w", w, dw})
		})
	}
}

func TestCosineScoresBackward(t *testing.T) {
	b := newBench(t)
	x, texts, scores, dscores, dx := b.random(3, 5), b.random(4, 5), b.zeros(3, 4), b.random(3, 4), b.zeros(3, 5)
	forward := func() float64 {
		b.dev.CosineScores(scores, x, texts)
		return inner(scores, dscores)
	}
	forward()
	b.dev.CosineScoresBackward(dx, dscores, scores, x, texts)
	b.check(forward, 1e-3, gradient{"x", x, dx})
}

func TestTokenBackwards(t *testing.T) {
	b := newBench(t)
	x, dx := b.zeros(2, 4, 3), b.random(2, 4, 3)
	patches, class, position := b.random(2, 3, 3), b.random(3), b.random(4, 3)
	dpatches, dclass, dposition := b.random(2, 3, 3), b.zeros(3), b.zeros(4, 3)
	b.dev.ImageTokensBackward(dpatches, dclass, dposition, dx)
	b.check(func() float64 {
		b.dev.ImageTokens(x, patches, class, position)
		return inner(x, dx)
	}, 1e-4, gradient{"patches", patches, dpatches}, gradient{"class", class, dclass}, gradient{"position", position, dposition})

	tokens, table, dtable, places := b.dev.Alloc(kernels.Int32, 2, 4), b.random(5, 3), b.zeros(5, 3), b.zeros(4, 3)
	b.dev.Upload(tokens, []int32{0, 3, 3, 1, 4, 0, 3, 2})
	b.dev.EmbedTokensBackward(dtable, places, dx, tokens)
	b.check(func() float64 {
		b.dev.EmbedTokens(x, tokens, table, position)
		return inner(x, dx)
	}, 1e-4, gradient{"table", table, dtable}, gradient{"position", position, places})
}

func TestLayerNormBackwards(t *testing.T) {
	b := newBench(t)
	x, gamma, beta := b.random(3, 7), b.uniform(-2, 2, 7), b.random(7)
	y, stats, dy := b.zeros(3, 7), b.zeros(3, 2), b.random(3, 7)
	for name, gelu := range map[string]bool{"LayerNorm": false, "LayerNormGELU": true} {
		t.Run(name, func(t *testing.T) {
			dx, dgamma, dbeta := b.zeros(3, 7), b.zeros(7), b.zeros(7)
			forward := func() float64 {
				if gelu {
					b.dev.LayerNormGELU(y, stats, x, gamma, beta)
				} else {
					b.dev.LayerNorm(y, stats, x, gamma, beta)
				}
				return inner(y, dy)
			}
			forward()
			if gelu {
				b.dev.LayerNormGELUBackward(dx, dgamma, dbeta, dy, x, stats, gamma, beta)
			} else {
				b.dev.LayerNormBackward(dx, dgamma, dbeta, dy, x, stats, gamma)
			}
			b.check(forward, 1e-3, gradient{"x", x, dx}, gradient{"gamma", gamma, dgamma}, gradient{"beta", beta, dbeta})
		})
	}
}

func TestAttentionBackward(t *testing.T) {
	for _, s := range []kernels.AttentionShape{
		{Batch: 2, Heads: 2, Queries: 3, Keys: 4}, {Batch: 1, Heads: 1, Queries: 5, Keys: 5, Causal: true}, {Batch: 2, Heads: 1, Queries: 1, Keys: 3},
	} {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			b := newBench(t)
			q, k, v := b.random(s.Batch*s.Queries, 4), b.random(s.Batch*s.Keys, 4), b.random(s.Batch*s.Keys, 4)
			out, lse, dout := b.zeros(s.Batch*s.Queries, 4), b.zeros(s.Batch, s.Heads, s.Queries), b.random(s.Batch*s.Queries, 4)
			forward := func() float64 {
				b.dev.Attention(out, lse, q, k, v, s)
				return inner(out, dout)
			}
			forward()
			dq, dk, dv := b.zeros(q.Shape...), b.zeros(k.Shape...), b.zeros(v.Shape...)
			b.dev.AttentionBackward(dq, dk, dv, dout, out, lse, q, k, v, s)
			b.check(forward, 1e-3, gradient{"q", q, dq}, gradient{"k", k, dk}, gradient{"v", v, dv})
		})
	}
}

// The convolutions' backwards with the gate's, as the decoder uses them.
func TestConvolutionBackwards(t *testing.T) {
	for name, up := range map[string]int{"Conv3x3": 1, "UpConv3x3": 2} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			in, residual, dout := b.random(2, 3, 4, 2), b.random(2, 3, 4, 3), b.random(2, 3*up, 4*up, 3)
			weight, bias, gate, out := b.random(3, 2, 3, 3), b.random(3), b.scalar(0.6), b.zeros(2, 3*up, 4*up, 3)
			din, dweight, dbias := b.random(2, 3, 4, 2), b.random(3, 2, 3, 3), b.random(3)
			dresidual, dgate := dout, b.scalar(5)
			forward := func() float64 {
				if up == 1 {
					b.dev.Conv3x3(out, in, weight, bias, gate, residual)
				} else {
					b.dev.UpConv3x3(out, in, weight, bias, gate, residual)
				}
				return inner(out, dout)
			}
			if up == 1 {
				b.dev.Conv3x3InputGrad(din, dout, weight, gate)
				b.dev.Conv3x3WeightGrad(dweight, dbias, in, dout)
			} else {
				dresidual = b.zeros(2, 3, 4, 3)
				b.dev.UpConv3x3InputGrad(din, dout, weight, gate)
				b.dev.UpConv3x3WeightGrad(dweight, dbias, in, dout)
				b.dev.UpsampleBackward(dresidual, dout)
			}
			b.dev.GateBackward(dgate, dweight, dbias, weight, bias, gate)
			b.check(forward, 1e-3, gradient{"in", in, din}, gradient{"weight", weight, dweight}, gradient{"bias", bias, dbias},
				gradient{"gate", gate, dgate}, gradient{"residual", residual, dresidual})
		})
	}
}

// A loss of all of GroundMasks' outputs, the hard mask standing for its straight-through gradient y.
func TestGroundMasksBackward(t *testing.T) {
	for _, first := range []int{0, 2} {
		t.Run(fmt.Sprintf("images from text %d", first), func(t *testing.T) {
			b := newBench(t)
			const images, h, w, texts, channels = 2, 3, 4, 5, 6
			in := kernels.Masks{
				Pixels: b.random(images, h*w, channels), Texts: b.random(texts, channels), Scale: b.scalar(3), Bias: b.scalar(-0.5),
				Noise: b.uniform(0.1, 0.9, images, h*w), First: first, Height: h, Width: w, Tau: 0.7,
			}
			r := kernels.MaskResults{
				Scores: b.zeros(images, texts), Hard: b.zeros(images, h*w), Soft: b.zeros(images, h*w), Sums: b.dev.Alloc(kernels.Float64, 3),
			}
			const areaPos, areaNeg, tv = 0.4, -0.3, 0.05
			g := kernels.MaskGrads{
				Scores: b.random(images, texts), Hard: b.random(images, h*w),
				AreaPos: areaPos / (images * h * w), AreaNeg: areaNeg / (images * (texts - 1) * h * w),
				TVX: tv / (images * texts * h * (w - 1)), TVY: tv / (images * texts * (h - 1) * w),
			}
			forward := func() float64 {
				b.dev.GroundMasks(r, in)
				sums := kernels.Host[float64](r.Sums)
				return inner(r.Scores, g.Scores) + inner(r.Soft, g.Hard) + areaPos*sums[0] + areaNeg*sums[1] + tv*sums[2]
			}
			forward()
			dpixels, dscale, dbias := b.zeros(in.Pixels.Shape...), b.scalar(1), b.scalar(1)
			b.dev.GroundMasksBackward(dpixels, dscale, dbias, g, r, in)
			b.check(forward, 2e-3, gradient{"pixels", in.Pixels, dpixels}, gradient{"scale", in.Scale, dscale}, gradient{"bias", in.Bias, dbias})
		})
	}
}

func TestMaskImagesBackward(t *testing.T) {
	b := newBench(t)
	images, hard, out, dout, dhard := b.random(2, 3, 6, 5), b.random(2, 6), b.zeros(2, 3, 6, 5), b.random(2, 3, 6, 5), b.random(2, 6)
	b.dev.MaskImagesBackward(dhard, dout, images, 3, 2)
	b.check(func() float64 {
		b.dev.MaskImages(out, images, hard, 3, 2)
		return inner(out, dout)
	}, 1e-4, gradient{"hard", hard, dhard})
}

func TestTotalVariationBackward(t *testing.T) {
	b := newBench(t)
	x, dx, sum := b.random(2, 3, 4, 2), b.zeros(2, 3, 4, 2), b.dev.Alloc(kernels.Float64, 1)
	b.dev.TotalVariationBackward(dx, x, 0.8)
	b.check(func() float64 {
		b.dev.TotalVariation(sum, x)
		return 0.8 * kernels.Host[float64](sum)[0]
	}, 0.3, gradient{"x", x, dx}) // a step of the difference may cross a kink
}

// Two lanes share the columns: the loss of the whole batch is the sum of their shares, its gradient what each made.
func TestInfoNCEIsTheGradientOfTheWholeBatch(t *testing.T) {
	b := newBench(t)
	const weight = 0.3
	scores, scale, columns := b.random(4, 4), b.scalar(1.5), b.dev.Alloc(kernels.Float64, 4)
	loss, dscores, dscale := b.dev.Alloc(kernels.Float64, 1), b.zeros(4, 4), b.scalar(0)
	forward := func() float64 {
		b.dev.ExpColumns(columns, scores, scale)
		total, slope := 0.0, float32(0)
		for first := 0; first < 4; first += 2 {
			part := b.scalar(0)
			b.dev.InfoNCE(loss, dscores.RowRange(first, first+2), part, scores.RowRange(first, first+2), scale, columns, first, weight)
			total += kernels.Host[float64](loss)[0]
			slope += kernels.Host[float32](part)[0]
		}
		b.dev.Upload(dscale, []float32{slope})
		return weight * total
	}
	forward()
	made, madeScale := b.zeros(4, 4), b.scalar(0)
	b.dev.Copy(made, dscores)
	b.dev.Copy(madeScale, dscale)
	b.check(forward, 1e-3, gradient{"scores", scores, made}, gradient{"logit scale", scale, madeScale})
}
