package kerneltest

import (
	"fmt"
	"math"

	"github.com/textground/textground/kernels"
)

func grounderChecks(product float64) (all []check) {
	for _, s := range maskSizes {
		all = append(all, groundCheck(s, product))
	}
	for _, s := range [][4]int{{1, 1, 1, 1}, {2, 3, 5, 33}, {1, 1, 9, 4}, {3, 8, 8, 64}, {2, 7, 1, 5}} {
		all = append(all, variationCheck(s))
	}
	for _, s := range [][5]int{{1, 1, 1, 1, 1}, {2, 6, 6, 3, 3}, {1, 9, 20, 4, 7}, {3, 16, 16, 4, 4}} {
		all = append(all, maskImagesCheck(s))
	}
	for _, s := range [][3]int{{1, 1, 0}, {2, 5, 3}, {3, 33, 0}, {4, 64, 60}, {1, 1000, 999}} {
		all = append(all, infoNCECheck(s[0], s[1], s[2], float32(math.Log(1/0.07))), infoNCECheck(s[0], s[1], s[2], 6))
	}
	return all
}

// maskSize is B images of h x w positions, N texts, E channels, the first image's text.
type maskSize struct{ images, h, w, texts, channels, first int }

var maskSizes = []maskSize{
	{1, 1, 1, 1, 1, 0}, {2, 4, 3, 5, 7, 1}, {3, 8, 8, 3, 33, 0}, {2, 5, 7, 70, 64, 66}, {1, 7, 9, 33, 16, 20}, {1, 1, 13, 4, 96, 3}, {2, 16, 16, 40, 96, 17},
}

func groundCheck(s maskSize, product float64) check {
	return check{fmt.Sprintf("GroundMasks/%v", s), func(l *lab) {
		places := s.h * s.w
		in := kernels.Masks{
			Pixels: l.randomWithZeroRow(s.images, places, s.channels), Texts: l.random(s.texts, s.channels),
			Scale: l.scalar(9), Bias: l.scalar(-0.5), Noise: l.uniform(0.01, 0.99, s.images, places),
			First: s.first, Height: s.h, Width: s.w, Tau: 0.8,
		}
		r := kernels.MaskResults{
			Scores: l.random(s.images, s.texts), Hard: l.random(s.images, places), Soft: l.random(s.images, places), Sums: l.sums(5, 6, 7),
		}
		l.dev.GroundMasks(r, in)
		l.want("Scores", r.Scores, product)
		l.want("Hard", r.Hard, exact)
		l.want("Soft", r.Soft, product)
		l.want("Sums", r.Sums, product)
		g := kernels.MaskGrads{
			Scores: l.random(s.images, s.texts), Hard: l.random(s.images, places),
			AreaPos: 0.3, AreaNeg: -0.02, TVX: 0.05, TVY: 0.04,
		}
		dpixels, dscale, dbias := l.random(s.images, places, s.channels), l.scalar(7), l.scalar(8)
		l.dev.GroundMasksBackward(dpixels, dscale, dbias, g, r, in)
		l.want("dpixels", dpixels, 10*product)
		l.want("dscale", dscale, 10*product)
		l.want("dbias", dbias, 10*product)
	}}
}

func variationCheck(s [4]int) check {
	return check{fmt.Sprintf("TotalVariation/%v", s), func(l *lab) {
		x, dx, sum := l.random(s[:]...), l.random(s[:]...), l.sums(3)
		l.dev.TotalVariation(sum, x)
		l.dev.TotalVariationBackward(dx, x, 0.9)
		l.want("sum", sum, plain)
		l.want("dx", dx, plain)
	}}
}

func maskImagesCheck(s [5]int) check {
	batch, height, width, h, w := s[0], s[1], s[2], s[3], s[4]
	return check{fmt.Sprintf("MaskImages/%v", s), func(l *lab) {
		images, hard := l.random(batch, 3, height, width), l.random(batch, h*w)
		out, dhard := l.random(batch, 3, height, width), l.random(batch, h*w)
		l.dev.MaskImages(out, images, hard, h, w)
		l.dev.MaskImagesBackward(dhard, l.random(batch, 3, height, width), images, h, w)
		l.want("out", out, exact)
		l.want("dhard", dhard, plain)
	}}
}

func infoNCECheck(rows, texts, first int, logitScale float32) check {
	return check{fmt.Sprintf("InfoNCE/[%d %d %d]-%.3g", rows, texts, first, logitScale), func(l *lab) {
		scores, scale, columns := l.random(rows, texts), l.scalar(logitScale), l.alloc(kernels.Float64, texts)
		l.dev.ExpColumns(columns, scores, scale)
		loss, dscores, dscale := l.sums(4), l.random(rows, texts), l.scalar(3)
		l.dev.InfoNCE(loss, dscores, dscale, scores, scale, columns, first, 0.1)
		l.want("columns", columns, 1e-12)
		l.want("loss", loss, 1e-12)
		l.want("dscores", dscores, 1e-6)
		l.want("dlogitScale", dscale, 1e-6)
	}}
}
