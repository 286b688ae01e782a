package ref_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/kernels"
)

func (b *bench) want(name string, t kernels.Tensor, tolerance float64, want ...float64) {
	b.t.Helper()
	got := kernels.Host[float32](t)
	if len(got) != len(want) {
		b.t.Fatalf("%s has %d values, want %d", name, len(got), len(want))
	}
	for i, w := range want {
		if math.Abs(float64(got[i])-w) > tolerance {
			b.t.Errorf("%s[%d] = %v, want %v", name, i, got[i], w)
		}
	}
}

func TestMatMulEpilogueOrder(t *testing.T) {
	b := newBench(t)
	c, pre := b.set(100, 200).Reshape(1, 2), b.zeros(1, 2)
	// a·b = (1*3+2*5, 1*4+2*6) = (13, 16); + bias = (1, -1).
	b.dev.MatMul(c, b.set(1, 2).Reshape(1, 2), b.set(3, 4, 5, 6).Reshape(2, 2), kernels.MatMul{
		Bias: b.set(-12, -17), Act: kernels.QuickGELU, Pre: pre, Residual: b.set(10, 20).Reshape(1, 2), Add: true,
	})
	b.want("pre", pre, 0, 1, -1)
	gelu := func(x float64) float64 { return x / (1 + math.Exp(-1.702*x)) }
	b.want("c", c, 1e-5, 110+gelu(1), 220+gelu(-1))
}

func TestKnownGELU(t *testing.T) {
	b := newBench(t)
	// The row (-1, 1) has mean 0 and variance 1, so LayerNorm leaves it; GELU(1) = 0.8413447..., GELU(-1) = -0.1586552...
	y := b.zeros(1, 2)
	b.dev.LayerNormGELU(y, kernels.Tensor{}, b.set(-1, 1).Reshape(1, 2), b.set(1, 1), b.set(0, 0))
	b.want("y", y, 1e-5, -0.15865525, 0.84134475)

	// GELU(3) = 2.9959503...; the slopes at 1 and 3 are 1.0833155... and 1.0119456...
	product, pre := b.zeros(1, 2), b.set(1, 3).Reshape(1, 2)
	b.dev.MatMul(product, b.set(1).Reshape(1, 1), pre, kernels.MatMul{Act: kernels.GELU})
	b.want("product", product, 1e-6, 0.84134475, 2.99595031)
	b.dev.MatMul(product, b.set(1).Reshape(1, 1), b.set(1, 1).Reshape(1, 2), kernels.MatMul{ActGrad: kernels.GELU, Pre: pre})
	b.want("slopes", product, 1e-6, 1.08331547, 1.01194568)
}

func TestConvolutionPadsWithZeros(t *testing.T) {
	b := newBench(t)
	in, weight, out := b.set(1, 2, 3, 4).Reshape(1, 2, 2, 1), b.set(1, 2, 3, 4, 5, 6, 7, 8, 9).Reshape(1, 1, 3, 3), b.zeros(1, 2, 2, 1)
	b.dev.Conv3x3(out, in, weight, b.set(0), b.scalar(20), b.zeros(1, 2, 2, 1)) // tanh(20) = 1
	b.want("out", out, 0, 5+2*6+3*8+4*9, 4+2*5+3*7+4*8, 2+2*3+3*5+4*6, 1+2*2+3*4+4*5)
}

func TestAGateOfZeroLeavesTheUpsampledResidual(t *testing.T) {
	b := newBench(t)
	out := b.zeros(1, 2, 4, 1)
	b.dev.UpConv3x3(out, b.random(1, 1, 2, 3), b.random(1, 3, 3, 3), b.random(1), b.scalar(0), b.set(3, 4).Reshape(1, 1, 2, 1))
	b.want("out", out, 0, 3, 3, 4, 4, 3, 3, 4, 4)
}

func TestAClampedLogitScaleGetsNoGradient(t *testing.T) {
	b := newBench(t)
	scores, columns, loss, dscale := b.random(3, 3), b.dev.Alloc(kernels.Float64, 3), b.dev.Alloc(kernels.Float64, 1), b.scalar(1)
	scale := b.scalar(5)
	b.dev.ExpColumns(columns, scores, scale)
	b.dev.InfoNCE(loss, b.zeros(3, 3), dscale, scores, scale, columns, 0, 1)
	b.want("dlogitScale", dscale, 0, 0)
}

func TestUniformScoresGiveLogN(t *testing.T) {
	b := newBench(t)
	scores, columns, loss := b.zeros(4, 4), b.dev.Alloc(kernels.Float64, 4), b.dev.Alloc(kernels.Float64, 1)
	b.dev.ExpColumns(columns, scores, b.scalar(2))
	b.dev.InfoNCE(loss, b.zeros(4, 4), b.scalar(0), scores, b.scalar(2), columns, 0, 1)
	if got := kernels.Host[float64](loss)[0]; math.Abs(got-math.Log(4)) > 1e-14 {
		t.Errorf("loss %v, want log 4", got)
	}
}

// One text and one image: no negative pair, whose mean is 0 then.
func TestASinglePairHasNoNegativeArea(t *testing.T) {
	b := newBench(t)
	in := kernels.Masks{Pixels: b.zeros(1, 4, 3), Texts: b.random(1, 3), Scale: b.scalar(10), Bias: b.scalar(0),
		Noise: b.set(0.9, 0.4, 0.6, 0.1).Reshape(1, 4), Height: 2, Width: 2, Tau: 1}
	r := kernels.MaskResults{Scores: b.random(1, 1), Hard: b.random(1, 4), Soft: b.random(1, 4), Sums: b.dev.Alloc(kernels.Float64, 3)}
	b.dev.GroundMasks(r, in)
	b.want("hard", r.Hard, 0, 1, 0, 1, 0)
	b.want("soft", r.Soft, 1e-6, 0.9, 0.4, 0.6, 0.1) // sigmoid(log(u/(1-u))) = u
	if sums := kernels.Host[float64](r.Sums); !slices.Equal(sums, []float64{0.5, 0, 0}) {
		t.Errorf("sums %v, want 0.5, 0, 0", sums)
	}
}

func TestAdamWFirstStepHasTheSizeOfTheRate(t *testing.T) {
	b := newBench(t)
	p, m1, m2, squared := b.set(1, -1), b.zeros(2), b.zeros(2), b.dev.Alloc(kernels.Float64, 1)
	g := b.set(3, -4)
	b.dev.SquaredNorm(squared, g)
	b.dev.AdamW(p, m1, m2, g, squared, kernels.AdamW{
		Rate: 0.01, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-12, Decay: 0.5, Correction1: 0.1, Correction2: 0.001, MaxNorm: 2.5,
	})
	b.want("p", p, 1e-6, 1-0.005-0.01, -1+0.005+0.01)
	b.want("m1", m1, 1e-6, 0.1*1.5, -0.1*2) // clipped from norm 5 to 2.5
	b.want("m2", m2, 1e-6, 0.001*2.25, 0.001*4)
}

// A constant image has equal affinities, so a mask becomes the mean of its neighbours.
func TestRefineMasksOfAConstantImage(t *testing.T) {
	b := newBench(t)
	mask := b.zeros(1, 3, 3)
	b.dev.Upload(mask, []float32{0, 0, 0, 0, 8, 0, 0, 0, 0})
	b.dev.RefineMasks(mask, b.zeros(3, 3, 3), kernels.PAMR{Dilations: []int{1}, Iterations: 1})
	b.want("mask", mask, 1e-6, 1, 1, 1, 1, 0, 1, 1, 1, 1)
}

// resize.safetensors holds what PyTorch's interpolate computes in float64 (docs/goldens.md).
func TestResizeMatchesPyTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/resize.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	headerEnd := 8 + int(binary.LittleEndian.Uint64(data))
	var header map[string]json.RawMessage
	if err := json.Unmarshal(data[8:headerEnd], &header); err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	cases := 0
	for name := range header {
		test, ok := strings.CutSuffix(name, ".in")
		if !ok || test == "pos_embedding" { // made of a resize by package tcl
			continue
		}
		cases++
		src, want := b.golden(header[name], data[headerEnd:]), b.golden(header[test+".out"], data[headerEnd:])
		got := b.zeros(want.Shape...)
		b.dev.Resize(got, src, resampling(test))
		for i, v := range kernels.Host[float32](got) {
			if w := kernels.Host[float32](want)[i]; math.Abs(float64(v-w)) > 1e-6 {
				t.Errorf("%s: element %d is %v, want %v", test, i, v, w)
				break
			}
		}
	}
	if cases < 15 {
		t.Errorf("only %d cases found", cases)
	}
}

// golden reads a float64 tensor of a safetensors file.
func (b *bench) golden(entry json.RawMessage, buffer []byte) kernels.Tensor {
	b.t.Helper()
	var e struct {
		DType   string
		Shape   []int
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(entry, &e); err != nil || e.DType != "F64" {
		b.t.Fatalf("%s: %v", entry, err)
	}
	t := b.zeros(e.Shape...)
	for i := range kernels.Host[float32](t) {
		kernels.Host[float32](t)[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(buffer[e.Offsets[0]+8*i:])))
	}
	return t
}

func resampling(name string) kernels.Resampling {
	switch {
	case strings.HasPrefix(name, "bicubic"):
		return kernels.Bicubic
	case strings.HasPrefix(name, "bilinear_ac1"):
		return kernels.BilinearAligned
	case strings.HasPrefix(name, "bilinear"):
		return kernels.Bilinear
	}
	return kernels.Nearest
}
