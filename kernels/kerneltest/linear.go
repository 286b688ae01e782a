package kerneltest

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

func linearChecks(product float64) (all []check) {
	for _, size := range [][3]int{{1, 1, 1}, {3, 32, 5}, {197, 33, 64}, {1, 77, 31}, {13, 3, 197}, {51, 192, 64}, {33, 17, 1}, {2, 129, 260}, {65, 31, 400}} {
		for trans := range 4 {
			all = append(all, check{fmt.Sprintf("MatMul/%v-trans%02b", size, trans), func(l *lab) {
				m := kernels.MatMul{TransA: trans&2 != 0, TransB: trans&1 != 0}
				a, b := operands(l.matrix, size, m)
				c := l.matrix(size[0], size[1])
				l.dev.MatMul(c, a, b, m)
				l.want("c", c, product)
			}})
		}
	}
	for _, size := range [][3]int{{7, 33, 20}, {50, 16, 65}, {1, 48, 300}} {
		for _, e := range epilogues {
			all = append(all, check{fmt.Sprintf("MatMul/%v-%s", size, e.name), func(l *lab) {
				m := e.configure(l, size[0], size[1])
				a, b := operands(l.strided, size, m)
				c := l.strided(size[0], size[1])
				l.dev.MatMul(c, a, b, m)
				l.want("c", c, product)
				if m.Pre.Present() {
					l.want("Pre", m.Pre, product)
				}
			}})
		}
	}
	all = append(all, check{"MatMul/residual-is-c", func(l *lab) {
		a, b, c := l.random(21, 40), l.random(40, 35), l.random(21, 35)
		l.dev.MatMul(c, a, b, kernels.MatMul{Residual: c, Bias: l.random(35)})
		l.want("c", c, product)
	}})
	return append(all, rowChecks()...)
}

// epilogues cover every field of kernels.MatMul, with strided operands.
var epilogues = []struct {
	name      string
	configure func(l *lab, rows, cols int) kernels.MatMul
}{
	{"strided", func(l *lab, rows, cols int) kernels.MatMul { return kernels.MatMul{} }},
	{"strided-transposed", func(l *lab, rows, cols int) kernels.MatMul { return kernels.MatMul{TransA: true, TransB: true} }},
	{"bias", func(l *lab, rows, cols int) kernels.MatMul { return kernels.MatMul{TransB: true, Bias: l.random(cols)} }},
	{"activation", func(l *lab, rows, cols int) kernels.MatMul {
		return kernels.MatMul{TransB: true, Bias: l.random(cols), Act: kernels.QuickGELU, Pre: l.strided(rows, cols)}
	}},
	{"activation-alone", func(l *lab, rows, cols int) kernels.MatMul { return kernels.MatMul{Act: kernels.QuickGELU} }},
	{"activation-residual", func(l *lab, rows, cols int) kernels.MatMul {
		return kernels.MatMul{Act: kernels.QuickGELU, Residual: l.strided(rows, cols)}
	}},
	{"slope", func(l *lab, rows, cols int) kernels.MatMul {
		return kernels.MatMul{ActGrad: kernels.QuickGELU, Pre: l.strided(rows, cols)}
	}},
	{"gelu", func(l *lab, rows, cols int) kernels.MatMul {
		return kernels.MatMul{TransB: true, Bias: l.random(cols), Act: kernels.GELU, Pre: l.strided(rows, cols)}
	}},
	{"gelu-residual", func(l *lab, rows, cols int) kernels.MatMul {
		return kernels.MatMul{Act: kernels.GELU, Residual: l.strided(rows, cols)}
	}},
	{"gelu-slope", func(l *lab, rows, cols int) kernels.MatMul {
		return kernels.MatMul{ActGrad: kernels.GELU, Pre: l.strided(rows, cols)}
	}},
	{"residual", func(l *lab, rows, cols int) kernels.MatMul {
		return kernels.MatMul{TransB: true, Bias: l.random(cols), Residual: l.strided(rows, cols)}
	}},
	{"add", func(l *lab, rows, cols int) kernels.MatMul { return kernels.MatMul{TransA: true, Add: true} }},
}

// operands makes a and b as they are stored.
func operands(dense func(rows, cols int) kernels.Tensor, size [3]int, m kernels.MatMul) (a, b kernels.Tensor) {
	rows, cols, inner := size[0], size[1], size[2]
	if m.TransA {
		a = dense(inner, rows)
	} else {
		a = dense(rows, inner)
	}
	if m.TransB {
		return a, dense(cols, inner)
	}
	return a, dense(inner, cols)
}

// matrix is random for two dimensions.
func (l *lab) matrix(rows, cols int) kernels.Tensor { return l.random(rows, cols) }

// rowSizes are rows and columns.
var rowSizes = [][2]int{{1, 1}, {1, 33}, {7, 3}, {197, 17}, {33, 64}, {65, 100}, {5, 768}}

func rowChecks() (all []check) {
	for _, s := range rowSizes {
		rows, cols := s[0], s[1]
		all = append(all,
			check{fmt.Sprintf("ColumnSums/%v", s), func(l *lab) {
				out := l.random(cols)
				l.dev.ColumnSums(out, l.strided(rows, cols))
				l.want("out", out, plain)
			}},
			check{fmt.Sprintf("AddTo/%v", s), func(l *lab) {
				dst := l.random(rows, cols)
				l.dev.AddTo(dst, l.random(rows, cols))
				l.want("dst", dst, exact)
			}},
			check{fmt.Sprintf("GatherRows/%v", s), func(l *lab) {
				dst := l.random(rows+2, cols)
				l.dev.GatherRows(dst, l.random(rows, cols), l.ints(rows, rows+2))
				l.want("dst", dst, exact)
			}},
			check{fmt.Sprintf("ScatterRows/%v", s), func(l *lab) {
				dst := l.random(rows+2, cols)
				l.dev.ScatterRows(dst, l.random(rows, cols), l.distinct(rows+2, rows))
				l.want("dst", dst, exact)
			}},
			check{fmt.Sprintf("CosineScores/%v", s), func(l *lab) {
				x, texts := l.randomWithZeroRow(rows, cols), l.randomWithZeroRow(7, cols)
				scores, dx := l.random(rows, 7), l.random(rows, cols)
				l.dev.CosineScores(scores, x, texts)
				l.dev.CosineScoresBackward(dx, l.random(rows, 7), scores, x, texts)
				l.want("scores", scores, plain)
				l.want("dx", dx, cancelling)
			}})
	}
	return all
}

// cancelling is the tolerance where differences of nearly equal numbers are the result.
const cancelling = 3e-5
