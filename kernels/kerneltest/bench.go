package kerneltest

import (
	"fmt"
	"testing"
	"time"

	"github.com/textground/textground/kernels"
)

// bench is one operation at one size: what it computes and moves, and how to prepare it.
type bench struct {
	name         string
	flops, bytes float64 // a call
	prepare      func(l *lab) func()
}

// Bench times every operation at the sizes of ViT-B/16 (four images, 1024 texts) and of the demo's small model. Beside
// GFLOP/s or GB/s it prints the share of the limit: the time that the operation's arithmetic or its traffic, whichever is
// longer, would take at the rate of a large matrix product or of adding two long vectors on this device in this run.
func Bench(b *testing.B, s Subject, threads int) {
	dev := s.Open(b, threads)
	defer dev.Close()
	product := rate(b, dev, matMulBench(768, 3072, 768))
	traffic := rate(b, dev, addBench(1<<24))
	b.Logf("%s, %d threads: limits %.0f GFLOP/s, %.1f GB/s", dev.Name(), threads, product.flops/1e9, traffic.bytes/1e9)
	for _, op := range benches() {
		b.Run(op.name, func(b *testing.B) {
			l := newLab(dev, 0, 0)
			defer l.close()
			run := op.prepare(l)
			run()
			b.ResetTimer()
			for range b.N {
				run()
			}
			if err := dev.Sync(); err != nil {
				b.Fatal(err)
			}
			seconds := b.Elapsed().Seconds() / float64(b.N)
			if op.flops > op.bytes {
				b.ReportMetric(op.flops/seconds/1e9, "GFLOP/s")
			} else {
				b.ReportMetric(op.bytes/seconds/1e9, "GB/s")
			}
			b.ReportMetric(100*max(op.flops/product.flops, op.bytes/traffic.bytes)/seconds, "%limit")
		})
	}
}

// rates are per second.
type rates struct{ flops, bytes float64 }

// rate measures one operation over some calls. It cannot be a benchmark of its own, because it runs inside one.
func rate(b *testing.B, dev kernels.Device, op bench) rates {
	const calls = 20
	l := newLab(dev, 0, 0)
	defer l.close()
	run := op.prepare(l)
	run()
	start := time.Now()
	for range calls {
		run()
	}
	if err := dev.Sync(); err != nil {
		b.Fatal(err)
	}
	seconds := time.Since(start).Seconds() / calls
	return rates{op.flops / seconds, op.bytes / seconds}
}

func benches() []bench {
	return []bench{
		matMulBench(788, 3072, 768), matMulBench(788, 768, 3072), matMulBench(12544, 512, 768), matMulBench(260, 96, 96),
		addBench(1 << 22), columnSumsBench(12544, 768),
		attentionBench(4, 12, 197, 64), attentionBench(4, 3, 65, 32),
		layerNormBench(788, 768, false), layerNormBench(12544, 768, true), layerNormBench(4096, 96, true),
		convBench("Conv3x3", 4, 28, 768), convBench("Conv3x3", 4, 32, 96), convBench("UpConv3x3", 4, 14, 768), convBench("UpConv3x3", 4, 16, 96),
		groundBench(4, 56, 1024, 512), groundBench(8, 32, 64, 96), variationBench(4, 56, 512),
		adamWBench(1 << 24), normBench(1 << 24), digestBench(1 << 24),
		infoNCEBench(4, 1024), similarityBench(112, 171, 512), refineBench(21, 112),
	}
}

func matMulBench(rows, cols, inner int) bench {
	flops := 2 * float64(rows) * float64(cols) * float64(inner)
	return bench{fmt.Sprintf("MatMul/%dx%dx%d", rows, cols, inner), flops, 0, func(l *lab) func() {
		c, x, w, bias := l.random(rows, cols), l.random(rows, inner), l.random(cols, inner), l.random(cols)
		return func() { l.dev.MatMul(c, x, w, kernels.MatMul{TransB: true, Bias: bias}) }
	}}
}

func addBench(n int) bench {
	return bench{fmt.Sprintf("AddTo/%d", n), 0, 12 * float64(n), func(l *lab) func() {
		x, y := l.random(n/1024, 1024), l.random(n/1024, 1024)
		return func() { l.dev.AddTo(x, y) }
	}}
}

func columnSumsBench(rows, cols int) bench {
	return bench{fmt.Sprintf("ColumnSums/%dx%d", rows, cols), 0, 4 * float64(rows*cols), func(l *lab) func() {
		out, x := l.random(cols), l.random(rows, cols)
		return func() { l.dev.ColumnSums(out, x) }
	}}
}

// attentionBench counts two products forward and five backward.
func attentionBench(batch, heads, length, width int) bench {
	flops := 7 * 2 * float64(batch*heads*length*length*width)
	return bench{fmt.Sprintf("Attention/%dx%dx%dx%d-both-ways", batch, heads, length, width), flops, 0, func(l *lab) func() {
		s := kernels.AttentionShape{Batch: batch, Heads: heads, Queries: length, Keys: length}
		rows, cols := batch*length, heads*width
		qkv, dqkv, out, dout, lse := l.random(rows, 3*cols), l.random(rows, 3*cols), l.random(rows, cols), l.random(rows, cols), l.random(batch, heads, length)
		q, k, v := qkv.Columns(0, cols), qkv.Columns(cols, 2*cols), qkv.Columns(2*cols, 3*cols)
		dq, dk, dv := dqkv.Columns(0, cols), dqkv.Columns(cols, 2*cols), dqkv.Columns(2*cols, 3*cols)
		return func() {
			l.dev.Attention(out, lse, q, k, v, s)
			l.dev.AttentionBackward(dq, dk, dv, dout, out, lse, q, k, v, s)
		}
	}}
}

// layerNormBench moves 2 values an element forward and 4 backward.
func layerNormBench(rows, cols int, gelu bool) bench {
	name := "LayerNorm"
	if gelu {
		name = "LayerNormGELU"
	}
	return bench{fmt.Sprintf("%s/%dx%d-both-ways", name, rows, cols), 0, 24 * float64(rows*cols), func(l *lab) func() {
		x, gamma, beta, y, stats := l.random(rows, cols), l.random(cols), l.random(cols), l.random(rows, cols), l.random(rows, 2)
		dx, dy, dgamma, dbeta := l.random(rows, cols), l.random(rows, cols), l.random(cols), l.random(cols)
		if gelu {
			return func() {
				l.dev.LayerNormGELU(y, stats, x, gamma, beta)
				l.dev.LayerNormGELUBackward(dx, dgamma, dbeta, dy, x, stats, gamma, beta)
			}
		}
		return func() {
			l.dev.LayerNorm(y, stats, x, gamma, beta)
			l.dev.LayerNormBackward(dx, dgamma, dbeta, dy, x, stats, gamma)
		}
	}}
}

// convBench counts three products of 9 taps a position, for UpConv3x3 4 taps of a folded kernel on the large map.
func convBench(name string, batch, side, channels int) bench {
	scale, taps := 1, 9
	if name == "UpConv3x3" {
		scale, taps = 2, 4
	}
	flops := 3 * 2 * float64(batch*scale*side*scale*side*taps) * float64(channels*channels)
	return bench{fmt.Sprintf("%s/%dx%dx%dx%d-both-ways", name, batch, side, side, channels), flops, 0, func(l *lab) func() {
		in, dout := l.random(batch, side, side, channels), l.random(batch, scale*side, scale*side, channels)
		weight, bias, gate, residual := l.random(channels, channels, 3, 3), l.random(channels), l.scalar(0.5), l.random(batch, side, side, channels)
		out, din, dweight, dbias := l.random(dout.Shape...), l.random(in.Shape...), l.random(weight.Shape...), l.random(channels)
		if scale == 2 {
			return func() {
				l.dev.UpConv3x3(out, in, weight, bias, gate, residual)
				l.dev.UpConv3x3InputGrad(din, dout, weight, gate)
				l.dev.UpConv3x3WeightGrad(dweight, dbias, in, dout)
			}
		}
		return func() {
			l.dev.Conv3x3(out, in, weight, bias, gate, residual)
			l.dev.Conv3x3InputGrad(din, dout, weight, gate)
			l.dev.Conv3x3WeightGrad(dweight, dbias, in, dout)
		}
	}}
}

// groundBench counts two products forward and five backward.
func groundBench(images, side, texts, channels int) bench {
	flops := 7 * 2 * float64(images*side*side) * float64(texts*channels)
	return bench{fmt.Sprintf("GroundMasks/%dx%dx%dx%d-both-ways", images, side, texts, channels), flops, 0, func(l *lab) func() {
		return l.maskPass(images, side, texts, channels)
	}}
}

func variationBench(batch, side, channels int) bench {
	return bench{fmt.Sprintf("TotalVariation/%dx%dx%dx%d-both-ways", batch, side, side, channels), 0, 16 * float64(batch*side*side*channels), func(l *lab) func() {
		x, dx, sum := l.random(batch, side, side, channels), l.random(batch, side, side, channels), l.sums(0)
		return func() {
			l.dev.TotalVariation(sum, x)
			l.dev.TotalVariationBackward(dx, x, 1)
		}
	}}
}

func adamWBench(n int) bench {
	return bench{fmt.Sprintf("AdamW/%d", n), 0, 28 * float64(n), func(l *lab) func() {
		p, m1, m2, g, squared := l.random(n), l.random(n), l.uniform(0, 1, n), l.random(n), l.sums(1)
		a := kernels.AdamW{Rate: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-6, Decay: 0.05, Correction1: 0.5, Correction2: 0.5, MaxNorm: 5}
		return func() { l.dev.AdamW(p, m1, m2, g, squared, a) }
	}}
}

func normBench(n int) bench {
	return bench{fmt.Sprintf("SquaredNorm/%d", n), 0, 4 * float64(n), func(l *lab) func() {
		x, sum := l.random(n), l.sums(0)
		return func() { l.dev.SquaredNorm(sum, x) }
	}}
}

func digestBench(n int) bench {
	return bench{fmt.Sprintf("BlockDigests/%d", n), 0, 4 * float64(n), func(l *lab) func() {
		x, digests := l.random(n), l.alloc(kernels.Uint64, n/kernels.DigestBlock)
		return func() { l.dev.BlockDigests(digests, x) }
	}}
}

func infoNCEBench(rows, texts int) bench {
	return bench{fmt.Sprintf("InfoNCE/%dx%d-both-ways", rows, texts), 0, 16 * float64(rows*texts), func(l *lab) func() {
		scores, scale, columns, loss := l.random(rows, texts), l.scalar(2.6), l.alloc(kernels.Float64, texts), l.sums(0)
		dscores, dscale := l.random(rows, texts), l.scalar(0)
		return func() {
			l.dev.ExpColumns(columns, scores, scale)
			l.dev.InfoNCE(loss, dscores, dscale, scores, scale, columns, 0, 1)
		}
	}}
}

func similarityBench(side, texts, channels int) bench {
	flops := 2 * float64(side*side*texts*channels)
	return bench{fmt.Sprintf("Similarity/%dx%dx%dx%d", side, side, texts, channels), flops, 0, func(l *lab) func() {
		s, pixels, t := l.random(1, texts, side*side), l.random(1, side*side, channels), l.random(texts, channels)
		return func() { l.dev.Similarity(s, pixels, t) }
	}}
}

// refineBench counts 48 multiply-adds a position, mask and iteration.
func refineBench(masks, side int) bench {
	flops := 2 * 48 * 10 * float64(masks*side*side)
	return bench{fmt.Sprintf("RefineMasks/%dx%dx%d", masks, side, side), flops, 0, func(l *lab) func() {
		m, image := l.uniform(0, 1, masks, side, side), l.random(3, side, side)
		return func() {
			l.dev.RefineMasks(m, image, kernels.PAMR{Dilations: []int{1, 2, 4, 8, 12, 24}, Iterations: 10})
		}
	}}
}
