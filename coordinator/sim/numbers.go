package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"

	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/proto"
)

// The model that is trained: a few parameters, a gradient in chunks, and at the end of each chunk a census: lane k adds
// 8^k, so that the sum tells how often each lane was counted.
const (
	gradientChunks = 2
	chunkParams    = 3 // parameters of one chunk; the chunk has one more value, the census
	paramCount     = gradientChunks * chunkParams
	maxLanes       = 7 // the census of more lanes would not be exact in float32
)

// numbers is what lanes compute: a pure function of the seed, the step, the lane and what crossed the lanes before.
type numbers struct {
	noise philox.Key
	lanes int
}

func (n numbers) initial() []float32 {
	params := make([]float32, paramCount)
	n.noise.Uniforms(params, math.MaxUint32, 0)
	return params
}

// text is one lane's contribution to the texts of a step.
func (n numbers) text(step, lane int) float32 { return n.noise.Uniform(uint32(step), uint32(lane), 0) }

// column is one lane's contribution to the column sums: [value, census].
func (n numbers) column(step, lane int, texts, params []float32) []float32 {
	v := params[step%paramCount] * texts[lane]
	for i, t := range texts {
		v += t * float32(i+1)
	}
	return []float32{v * spread(n.noise.Uniform(uint32(step), uint32(lane), 1)), census(lane)}
}

// gradient is one lane's contribution to one chunk of the gradient: its values, then the census.
func (n numbers) gradient(step, lane, chunk int, columns, params []float32) []float32 {
	values := make([]float32, chunkParams+1)
	for i := range chunkParams {
		place := chunk*chunkParams + i
		values[i] = params[place]*0.01 + columns[0]*1e-6 + spread(n.noise.Uniform(uint32(step), uint32(lane), uint64(2+place)))
	}
	values[chunkParams] = census(lane)
	return values
}

// spread makes magnitudes so different that the sum of a few depends on the order of addition.
func spread(u float32) float32 {
	return float32(math.Ldexp(float64(u)-0.5, int(u*(1<<20))%20))
}

func census(lane int) float32 { return float32(uint32(1) << (3 * lane)) }

// complete is the census of all lanes, each once.
func (n numbers) complete() float32 {
	var all uint32
	for lane := range n.lanes {
		all += 1 << (3 * lane)
	}
	return float32(all)
}

// apply is the update: params are changed by the reduced gradient, with the rates of the step.
func apply(params []float32, gradient [][]float32, rates proto.Rates) []float32 {
	next := slices.Clone(params)
	for i := range next {
		next[i] -= gradient[i/chunkParams][i%chunkParams] * float32(math.Float64frombits(rates.RateBits)) / float32(rates.Count)
	}
	return next
}

func ratesOf(step int) proto.Rates {
	return proto.Rates{Phase: 1, RateBits: math.Float64bits(0.1 / float64(step+2)), Count: step + 1}
}

func digestOf(params []float32) string {
	var bytes []byte
	for _, v := range params {
		bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(v))
	}
	sum := sha256.Sum256(bytes)
	return hex.EncodeToString(sum[:6])
}

// undisturbed gives the digest after every step of a run without faults; index 0 is the initial state. It adds up along
// the tree by itself, not with package exchange.
func (n numbers) undisturbed(steps int) []string {
	params := n.initial()
	digests := []string{digestOf(params)}
	for step := range steps {
		texts := make([]float32, n.lanes)
		for lane := range texts {
			texts[lane] = n.text(step, lane)
		}
		columns := treeSum(proto.Root(n.lanes), func(lane int) []float32 { return n.column(step, lane, texts, params) })
		gradient := make([][]float32, gradientChunks)
		for c := range gradient {
			gradient[c] = treeSum(proto.Root(n.lanes), func(lane int) []float32 { return n.gradient(step, lane, c, columns, params) })
		}
		params = apply(params, gradient, ratesOf(step))
		digests = append(digests, digestOf(params))
	}
	return digests
}

// treeSum adds lanes along the fixed tree.
func treeSum(node proto.Node, lane func(int) []float32) []float32 {
	if node.Leaf() {
		return slices.Clone(lane(node.Lo))
	}
	l, r := node.Children()
	left, right := treeSum(l, lane), treeSum(r, lane)
	for i := range left {
		left[i] += right[i]
	}
	return left
}
