package kerneltest

import (
	"testing"

	"github.com/textground/textground/kernels"
)

// MaskMemory checks that the mask operations, forward and backward together with the texts and scores that grow, need less
// than 8 MiB more for 1024 texts than for 64, at the size of ViT-B/16: what lies on texts x images x channels is never stored.
func MaskMemory(t *testing.T, s Subject) {
	dev := s.Open(t, 2)
	defer dev.Close()
	small := maskPeak(dev, 64)
	large := maskPeak(dev, 1024)
	t.Logf("%s: peak %.1f MiB for 64 texts, %.1f MiB for 1024", dev.Name(), mebibytes(small), mebibytes(large))
	if grown := large - small; grown >= 8<<20 {
		t.Errorf("960 more texts cost %.1f MiB", mebibytes(grown))
	}
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// maskPeak returns the peak of both mask operations with everything that they work on.
func maskPeak(dev kernels.Device, texts int) int64 {
	l := newLab(dev, texts, 0)
	defer l.close()
	dev.ResetPeak()
	l.maskPass(4, 56, texts, 512)()
	return dev.Peak()
}

// maskPass allocates for B images of side x side positions and returns the call of both mask operations.
func (l *lab) maskPass(images, side, texts, channels int) (run func()) {
	places := side * side
	in := kernels.Masks{
		Pixels: l.random(images, places, channels), Texts: l.random(texts, channels), Scale: l.scalar(10), Bias: l.scalar(-2.5),
		Noise: l.uniform(0.01, 0.99, images, places), Height: side, Width: side, Tau: 1,
	}
	r := kernels.MaskResults{
		Scores: l.random(images, texts), Hard: l.random(images, places), Soft: l.random(images, places), Sums: l.sums(0, 0, 0),
	}
	g := kernels.MaskGrads{Scores: l.random(images, texts), Hard: l.random(images, places), AreaPos: 0.1, AreaNeg: 0.1, TVX: 0.1, TVY: 0.1}
	dpixels, dscale, dbias := l.random(images, places, channels), l.scalar(0), l.scalar(0)
	return func() {
		l.dev.GroundMasks(r, in)
		l.dev.GroundMasksBackward(dpixels, dscale, dbias, g, r, in)
	}
}
