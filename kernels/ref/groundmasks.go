package ref

import (
	"math"

	"github.com/textground/textground/kernels"
)

// grounding holds the inputs of the mask operations, normalised.
type grounding struct {
	kernels.MaskSizes
	in          kernels.Masks
	v           matrix[float32] // [B*P, E]
	pixels      []unit          // [B*P]
	texts       []unit          // [N]
	scale, bias float64
}

func newGrounding(in kernels.Masks) *grounding {
	return &grounding{
		MaskSizes: in.Sizes(), in: in, v: rowsOf(in.Pixels),
		pixels: units(rowsOf(in.Pixels)), texts: units(rowsOf(in.Texts)),
		scale: float64(values(in.Scale)[0]), bias: float64(values(in.Bias)[0]),
	}
}

// pair is image i against text j.
type pair struct {
	i, j   int
	s, m   []float64 // similarity and soft mask [P]
	mass   float64   // sum of m
	pooled unit      // f = sum_p m v / (mass + 1e-6)
}

func (g *grounding) positive(i, j int) bool { return j == g.in.First+i }

// pairAt makes everything about (i, j) from the pixels.
func (g *grounding) pairAt(i, j int) pair {
	p := pair{i: i, j: j, s: make([]float64, g.Positions), m: make([]float64, g.Positions)}
	sum := make([]float64, g.Channels)
	for k := range p.s {
		p.s[k] = dot(g.pixels[i*g.Positions+k].hat, g.texts[j].hat)
		p.m[k] = sigmoid(g.scale*p.s[k] + g.bias)
		p.mass += p.m[k]
		for c, x := range g.v.row(i*g.Positions + k) {
			sum[c] += p.m[k] * float64(x)
		}
	}
	for c := range sum {
		sum[c] /= p.area()
	}
	p.pooled = newUnit(sum)
	return p
}

// area is the divisor of the pooled feature.
func (p pair) area() float64 { return p.mass + 1e-6 }

// GroundMasks makes one pair at a time; the pair's own numbers are all that is kept.
func (d *device) GroundMasks(r kernels.MaskResults, in kernels.Masks) {
	g := newGrounding(in)
	r.Check(g.MaskSizes)
	scores := values(r.Scores)
	masses, variations := make([]float64, len(scores)), make([]float64, len(scores))
	parallel(len(scores), func(n int) {
		p := g.pairAt(n/g.Texts, n%g.Texts)
		scores[n] = float32(dot(p.pooled.hat, g.texts[p.j].hat))
		masses[n], variations[n] = p.mass, g.variation(p.m)
		if g.positive(p.i, p.j) {
			g.drawHard(r, p)
		}
	})
	sums := kernels.Host[float64](r.Sums)
	clear(sums)
	for n := range scores {
		if g.positive(n/g.Texts, n%g.Texts) {
			sums[0] += masses[n] / float64(g.Images*g.Positions)
		} else {
			sums[1] += masses[n] / float64(g.Images*(g.Texts-1)*g.Positions)
		}
		sums[2] += variations[n]
	}
}

// drawHard computes the Gumbel-sigmoid and the hard mask of a positive pair.
func (g *grounding) drawHard(r kernels.MaskResults, p pair) {
	soft, hard, noise := values(r.Soft), values(r.Hard), values(g.in.Noise)
	for k, s := range p.s {
		at := p.i*g.Positions + k
		u := float64(noise[at])
		y := sigmoid((g.scale*s + g.bias + math.Log(u/(1-u))) / float64(g.in.Tau))
		soft[at], hard[at] = float32(y), 0
		if y > 0.5 {
			hard[at] = 1
		}
	}
}

// variation is one mask's part of the total variation's mean over all masks.
func (g *grounding) variation(m []float64) float64 {
	h, w, pairs := g.in.Height, g.in.Width, float64(g.Images*g.Texts)
	sum := 0.0
	for k, v := range m {
		if k%w+1 < w {
			sum += math.Abs(m[k+1]-v) / (pairs * float64(h*(w-1)))
		}
		if k/w+1 < h {
			sum += math.Abs(m[k+w]-v) / (pairs * float64((h-1)*w))
		}
	}
	return sum
}

// GroundMasksBackward follows tcl-spec section 4, adding over texts in order.
func (d *device) GroundMasksBackward(dpixels, dscale, dbias kernels.Tensor, grads kernels.MaskGrads, r kernels.MaskResults, in kernels.Masks) {
	g := newGrounding(in)
	r.Check(g.MaskSizes)
	grads.Check(g.MaskSizes)
	kernels.Require("GroundMasksBackward: dpixels", dpixels, kernels.Float32, in.Pixels.Len())
	kernels.Require("GroundMasksBackward: dscale", dscale, kernels.Float32, 1)
	kernels.Require("GroundMasksBackward: dbias", dbias, kernels.Float32, 1)
	scales, biases := make([]float64, g.Images), make([]float64, g.Images)
	parallel(g.Images, func(i int) {
		scales[i], biases[i] = g.imageBackward(dpixels, grads, r, i)
	})
	totalScale, totalBias := 0.0, 0.0
	for i := range g.Images {
		totalScale += scales[i]
		totalBias += biases[i]
	}
	values(dscale)[0], values(dbias)[0] = float32(totalScale), float32(totalBias)
}

// imageBackward computes dpixels of image i and its part of dscale and dbias.
func (g *grounding) imageBackward(dpixels kernels.Tensor, grads kernels.MaskGrads, r kernels.MaskResults, i int) (dscale, dbias float64) {
	dv, dhat := make([]float64, g.Positions*g.Channels), make([]float64, g.Positions*g.Channels)
	for j := range g.Texts {
		p := g.pairAt(i, j)
		df := g.pooledGrad(p, float64(values(grads.Scores)[i*g.Texts+j]))
		dl := g.logitGrad(p, df, grads, r)
		for k, grad := range dl {
			dscale += grad * p.s[k]
			dbias += grad
			axpy(dv[k*g.Channels:][:g.Channels], p.m[k]/p.area(), df)
			axpy(dhat[k*g.Channels:][:g.Channels], grad*g.scale, g.texts[j].hat)
		}
	}
	out := rowsOf(dpixels)
	for k := range g.Positions {
		at, row := i*g.Positions+k, dhat[k*g.Channels:][:g.Channels]
		g.pixels[at].back(row)
		axpy(row, 1, dv[k*g.Channels:][:g.Channels])
		store(out.row(at), row)
	}
	return dscale, dbias
}

// pooledGrad is df = dS/|f| (that - S fhat).
func (g *grounding) pooledGrad(p pair, dscore float64) []float64 {
	df := make([]float64, g.Channels)
	axpy(df, dscore, g.texts[p.j].hat)
	p.pooled.back(df)
	return df
}

// logitGrad is dl = dm m(1-m), plus the straight-through gradient of the hard mask where the pair is positive.
func (g *grounding) logitGrad(p pair, df []float64, grads kernels.MaskGrads, r kernels.MaskResults) []float64 {
	dl := g.variationGrad(p.m, grads)
	area := float64(grads.AreaNeg)
	if g.positive(p.i, p.j) {
		area = float64(grads.AreaPos)
	}
	along := dot(p.pooled.hat, df) * max(p.pooled.norm, floor) // <f, df>, 0 but below the floor
	for k := range dl {
		inner := 0.0
		for c, x := range g.v.row(p.i*g.Positions + k) {
			inner += float64(x) * df[c]
		}
		dl[k] = (dl[k] + area + (inner-along)/p.area()) * p.m[k] * (1 - p.m[k])
		if g.positive(p.i, p.j) {
			at := p.i*g.Positions + k
			y := float64(values(r.Soft)[at])
			dl[k] += float64(values(grads.Hard)[at]) * y * (1 - y) / float64(g.in.Tau)
		}
	}
	return dl
}

// variationGrad is the gradient of the total variation with respect to one mask.
func (g *grounding) variationGrad(m []float64, grads kernels.MaskGrads) []float64 {
	dm, h, w := make([]float64, len(m)), g.in.Height, g.in.Width
	step := func(from, to int, weight float32) {
		towards := float64(weight) * sign(m[to]-m[from])
		dm[to] += towards
		dm[from] -= towards
	}
	for k := range m {
		if k%w+1 < w {
			step(k, k+1, grads.TVX)
		}
		if k/w+1 < h {
			step(k, k+w, grads.TVY)
		}
	}
	return dm
}
