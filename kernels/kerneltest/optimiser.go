package kerneltest

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

func optimiserChecks() (all []check) {
	for _, n := range []int{1, 2, 15, 33, 1000, 16383, 16384, 16385, 65536, 65537, 200001} {
		all = append(all, check{fmt.Sprintf("SquaredNorm/%d", n), func(l *lab) {
			sum := l.sums(2)
			l.dev.SquaredNorm(sum, l.random(n))
			l.want("sum", sum, 1e-12)
		}}, check{fmt.Sprintf("BlockDigests/%d", n), func(l *lab) {
			digests := l.alloc(kernels.Uint64, (n+kernels.DigestBlock-1)/kernels.DigestBlock)
			l.dev.BlockDigests(digests, l.random(n))
			l.want("digests", digests, exact)
		}})
	}
	for _, n := range []int{1, 33, 1000, 70000} {
		for _, norm := range []float64{0.5, 1e9} {
			all = append(all, adamWCheck(n, norm))
		}
	}
	return all
}

func adamWCheck(n int, maxNorm float64) check {
	return check{fmt.Sprintf("AdamW/%d-%g", n, maxNorm), func(l *lab) {
		p, m1, m2, g, squared := l.random(n), l.random(n), l.uniform(0, 1, n), l.random(n), l.sums(float64(n)/3)
		l.dev.AdamW(p, m1, m2, g, squared, kernels.AdamW{
			Rate: 0.01, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-6, Decay: 0.05, Correction1: 0.19, Correction2: 0.001999, MaxNorm: maxNorm,
		})
		l.want("p", p, 5e-7)
		l.want("m1", m1, 5e-7)
		l.want("m2", m2, 5e-7)
	}}
}
