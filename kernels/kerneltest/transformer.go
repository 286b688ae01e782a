package kerneltest

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

func transformerChecks(product float64) (all []check) {
	for _, s := range []struct{ batch, height, width, patch int }{{1, 1, 1, 1}, {2, 6, 9, 3}, {1, 32, 16, 16}, {3, 14, 7, 7}} {
		all = append(all, check{fmt.Sprintf("Patches/%v", s), func(l *lab) {
			images := l.random(s.batch, 3, s.height, s.width)
			count, size := s.batch*s.height*s.width/s.patch/s.patch, 3*s.patch*s.patch
			dst, dimages := l.random(count, size), l.random(s.batch, 3, s.height, s.width)
			l.dev.Patches(dst, images, s.patch)
			l.dev.PatchesBackward(dimages, l.random(count, size), s.patch)
			l.want("patches", dst, exact)
			l.want("dimages", dimages, exact)
		}})
	}
	for _, s := range [][3]int{{1, 1, 1}, {2, 5, 33}, {3, 17, 64}, {1, 197, 7}} {
		all = append(all, tokenChecks(s[0], s[1], s[2])...)
	}
	for _, s := range rowSizes {
		all = append(all, layerNormCheck(s[0], s[1]), layerNormFrozenCheck(s[0], s[1]))
	}
	for _, s := range attentionShapes {
		all = append(all, attentionCheck(s.shape, s.width, product))
	}
	return all
}

func tokenChecks(batch, length, width int) []check {
	name := fmt.Sprint([]int{batch, length, width})
	return []check{
		{"ImageTokens/" + name, func(l *lab) {
			x := l.random(batch, length, width)
			l.dev.ImageTokens(x, l.random(batch, length-1, width), l.random(width), l.random(length, width))
			l.want("x", x, exact)
			dpatches, dclass, dposition := l.random(batch, length-1, width), l.random(width), l.random(length, width)
			dx := l.random(batch, length, width)
			l.dev.ImageTokensBackward(dpatches, dclass, dposition, dx)
			l.want("dpatches", dpatches, exact)
			l.want("dclass", dclass, exact)
			l.want("dposition", dposition, exact)
			l.dev.ImageTokensBackward(dpatches, kernels.Tensor{}, kernels.Tensor{}, x)
			l.want("dpatches alone", dpatches, exact)
		}},
		{"EmbedTokens/" + name, func(l *lab) {
			tokens, x := l.ints(11, batch, length), l.random(batch, length, width)
			l.dev.EmbedTokens(x, tokens, l.random(11, width), l.random(length+2, width))
			l.want("x", x, exact)
			dtable, dposition := l.random(11, width), l.random(length+2, width)
			l.dev.EmbedTokensBackward(dtable, dposition, x, tokens)
			l.want("dtable", dtable, exact)
			l.want("dposition", dposition, exact)
		}},
	}
}

func layerNormCheck(rows, cols int) check {
	return check{fmt.Sprintf("LayerNorm/[%d %d]", rows, cols), func(l *lab) {
		x, gamma, beta := l.uniform(-1, 3, rows, cols), l.random(cols), l.random(cols)
		y, stats := l.random(rows, cols), l.random(rows, 2)
		l.dev.LayerNorm(y, stats, x, gamma, beta)
		l.want("y", y, plain)
		l.want("stats", stats, plain)
		dx, dgamma, dbeta := l.random(rows, cols), l.random(cols), l.random(cols)
		l.dev.LayerNormBackward(dx, dgamma, dbeta, l.random(rows, cols), x, stats, gamma)
		l.want("dx", dx, cancelling)
		l.want("dgamma", dgamma, plain)
		l.want("dbeta", dbeta, plain)
	}}
}

// layerNormFrozenCheck leaves the optional arguments out and takes every third row.
func layerNormFrozenCheck(rows, cols int) check {
	return check{fmt.Sprintf("LayerNorm/[%d %d]-frozen-strided", rows, cols), func(l *lab) {
		x, gamma := l.random(rows, 3*cols).Columns(cols, 2*cols), l.random(cols)
		y, dx, stats := l.strided(rows, cols), l.strided(rows, cols), l.random(rows, 2)
		l.dev.LayerNorm(y, kernels.Tensor{}, x, gamma, l.random(cols))
		l.dev.LayerNorm(y, stats, x, gamma, l.random(cols))
		l.dev.LayerNormBackward(dx, kernels.Tensor{}, kernels.Tensor{}, l.random(rows, cols), x, stats, gamma)
		l.want("y", y, plain)
		l.want("dx", dx, cancelling)
	}}
}

var attentionShapes = []struct {
	shape kernels.AttentionShape
	width int
}{
	{kernels.AttentionShape{Batch: 1, Heads: 1, Queries: 1, Keys: 1}, 1},
	{kernels.AttentionShape{Batch: 2, Heads: 3, Queries: 5, Keys: 7}, 15},
	{kernels.AttentionShape{Batch: 1, Heads: 2, Queries: 65, Keys: 65}, 64},
	{kernels.AttentionShape{Batch: 2, Heads: 2, Queries: 1, Keys: 197}, 128},
	{kernels.AttentionShape{Batch: 1, Heads: 1, Queries: 197, Keys: 197}, 64},
	{kernels.AttentionShape{Batch: 2, Heads: 2, Queries: 13, Keys: 13, Causal: true}, 66},
	{kernels.AttentionShape{Batch: 1, Heads: 3, Queries: 77, Keys: 77, Causal: true}, 96},
	{kernels.AttentionShape{Batch: 1, Heads: 2, Queries: 33, Keys: 2}, 16},
}

// attentionCheck takes q, k and v as columns of one matrix where that is possible, as the towers do.
func attentionCheck(s kernels.AttentionShape, width int, product float64) check {
	return check{fmt.Sprintf("Attention/%+v-%d", s, width), func(l *lab) {
		q, k, v := l.uniform(-3, 3, s.Batch*s.Queries, width), l.strided(s.Batch*s.Keys, width), l.strided(s.Batch*s.Keys, width)
		out, lse := l.random(s.Batch*s.Queries, width), l.random(s.Batch, s.Heads, s.Queries)
		l.dev.Attention(out, kernels.Tensor{}, q, k, v, s)
		l.dev.Attention(out, lse, q, k, v, s)
		l.want("out", out, product)
		l.want("lse", lse, product)
		dq, dk, dv := l.strided(s.Batch*s.Queries, width), l.strided(s.Batch*s.Keys, width), l.strided(s.Batch*s.Keys, width)
		l.dev.AttentionBackward(dq, dk, dv, l.random(s.Batch*s.Queries, width), out, lse, q, k, v, s)
		l.want("dq", dq, 3*product)
		l.want("dk", dk, 3*product)
		l.want("dv", dv, 3*product)
	}}
}
