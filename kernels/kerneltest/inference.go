package kerneltest

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

func inferenceChecks(product float64) (all []check) {
	for _, s := range [][4]int{{1, 1, 1, 1}, {2, 5, 7, 3}, {1, 33, 65, 96}, {3, 2, 197, 31}} {
		all = append(all, check{fmt.Sprintf("Similarity/%v", s), func(l *lab) {
			batch, texts, places, channels := s[0], s[1], s[2], s[3]
			out := l.random(batch, texts, places)
			l.dev.Similarity(out, l.randomWithZeroRow(batch, places, channels), l.random(texts, channels))
			l.want("s", out, product)
		}})
	}
	for _, s := range [][5]int{{1, 1, 1, 1, 1}, {2, 7, 5, 14, 10}, {1, 14, 14, 9, 33}, {3, 33, 20, 5, 61}, {1, 1, 5, 4, 7}} {
		for how := kernels.Nearest; how <= kernels.Bicubic; how++ {
			all = append(all, check{fmt.Sprintf("Resize/%v-%d", s, how), func(l *lab) {
				dst := l.random(s[0], s[3], s[4])
				l.dev.Resize(dst, l.random(s[0], s[1], s[2]), how)
				l.want("dst", dst, plain)
			}})
		}
	}
	for _, s := range [][3]int{{1, 1, 1}, {2, 5, 9}, {3, 33, 17}} {
		all = append(all, check{fmt.Sprintf("RefineMasks/%v", s), func(l *lab) {
			masks := l.uniform(0, 1, s[0], s[1], s[2])
			l.dev.RefineMasks(masks, l.random(3, s[1], s[2]), kernels.PAMR{Dilations: []int{1, 2, 4, 12}, Iterations: 3})
			l.want("masks", masks, 2e-5)
		}})
	}
	return all
}
