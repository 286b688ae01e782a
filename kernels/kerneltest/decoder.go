package kerneltest

import "fmt"

func decoderChecks(product float64) (all []check) {
	for _, s := range rowSizes {
		all = append(all, layerNormGELUCheck(s[0], s[1]))
	}
	for _, s := range mapSizes {
		all = append(all, convCheck(s, product), upConvCheck(s, product))
	}
	for _, s := range [][2]int{{1, 1}, {3, 5}, {33, 7}, {90, 100}} {
		all = append(all, gateCheck(s[0], s[1], product))
	}
	return all
}

func layerNormGELUCheck(rows, cols int) check {
	return check{fmt.Sprintf("LayerNormGELU/[%d %d]", rows, cols), func(l *lab) {
		x, gamma, beta := l.uniform(-1, 3, rows, cols), l.uniform(-3, 3, cols), l.random(cols)
		y, stats := l.random(rows, cols), l.random(rows, 2)
		l.dev.LayerNormGELU(y, stats, x, gamma, beta)
		l.want("y", y, plain)
		l.want("stats", stats, plain)
		dx, dgamma, dbeta := l.random(rows, cols), l.random(cols), l.random(cols)
		l.dev.LayerNormGELUBackward(dx, dgamma, dbeta, l.random(rows, cols), x, stats, gamma, beta)
		l.want("dx", dx, cancelling)
		l.want("dgamma", dgamma, plain)
		l.want("dbeta", dbeta, plain)
	}}
}

// mapSize is a convolution's shape; for UpConv3x3 the small map's.
type mapSize struct{ batch, height, width, in, out int }

var mapSizes = []mapSize{
	{1, 1, 1, 1, 1}, {2, 5, 7, 3, 4}, {1, 9, 4, 33, 31}, {2, 4, 4, 64, 64}, {1, 1, 13, 17, 5}, {1, 6, 9, 96, 96}, {3, 2, 3, 1, 48},
}

func convCheck(s mapSize, product float64) check {
	return check{fmt.Sprintf("Conv3x3/%v", s), func(l *lab) {
		in, dout := l.random(s.batch, s.height, s.width, s.in), l.random(s.batch, s.height, s.width, s.out)
		weight, gate := l.random(s.out, s.in, 3, 3), l.scalar(0.7)
		out, din := l.random(dout.Shape...), l.random(in.Shape...)
		// One product and a residual that cancel would show the rounding of factors and nothing else.
		l.dev.Conv3x3(out, in, weight, l.random(s.out), gate, l.uniform(2, 3, dout.Shape...))
		l.dev.Conv3x3InputGrad(din, dout, weight, gate)
		dweight, dbias := l.random(weight.Shape...), l.random(s.out)
		l.dev.Conv3x3WeightGrad(dweight, dbias, in, dout)
		l.want("out", out, product)
		l.want("din", din, product)
		l.want("dweight", dweight, product)
		l.want("dbias", dbias, product)
	}}
}

func upConvCheck(s mapSize, product float64) check {
	return check{fmt.Sprintf("UpConv3x3/%v", s), func(l *lab) {
		in, dout := l.random(s.batch, s.height, s.width, s.in), l.random(s.batch, 2*s.height, 2*s.width, s.out)
		weight, gate := l.random(s.out, s.in, 3, 3), l.scalar(-0.4)
		out, din := l.random(dout.Shape...), l.random(in.Shape...)
		l.dev.UpConv3x3(out, in, weight, l.random(s.out), gate, l.random(s.batch, s.height, s.width, s.out))
		l.dev.UpConv3x3InputGrad(din, dout, weight, gate)
		dweight, dbias, dx := l.random(weight.Shape...), l.random(s.out), l.random(s.batch, s.height, s.width, s.out)
		l.dev.UpConv3x3WeightGrad(dweight, dbias, in, dout)
		l.dev.UpsampleBackward(dx, dout)
		l.want("out", out, product)
		l.want("din", din, product)
		l.want("dweight", dweight, product)
		l.want("dbias", dbias, product)
		l.want("dx", dx, plain)
	}}
}

// gateCheck has more than one block of 65536 products at its largest size.
func gateCheck(in, out int, product float64) check {
	return check{fmt.Sprintf("GateBackward/[%d %d]", in, out), func(l *lab) {
		weight, bias := l.random(out, in, 3, 3), l.random(out)
		dgate, dweight, dbias := l.scalar(9), l.random(out, in, 3, 3), l.random(out)
		l.dev.GateBackward(dgate, dweight, dbias, weight, bias, l.scalar(0.3))
		l.want("dgate", dgate, product)
		l.want("dweight", dweight, plain)
		l.want("dbias", dbias, plain)
	}}
}
