package kerneltest

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/textground/textground/kernels"
)

// Timing is how fast one operation was.
type Timing struct {
	Name         string
	Seconds      float64 // a call
	Flops, Bytes float64 // what a call computes and what it must move; one of them is 0
	Product      []int   // rows, columns and inner dimension of a matrix product, else nil
}

// timings are the operations of a step at ViT-B/16, with so many images a lane against so many texts, and what segmentation
// and updates add.
func timings(images, texts int) []bench {
	tokens, pixels := 197*images, 3136*images
	return []bench{
		matMulBench(tokens, 3072, 768), matMulBench(tokens, 768, 3072), matMulBench(tokens, 2304, 768), matMulBench(tokens, 768, 768),
		matMulBench(pixels, 512, 768), addBench(pixels * 768 / 1024 * 1024), columnSumsBench(pixels, 768), attentionBench(images, 12, 197, 64),
		layerNormBench(tokens, 768, false), layerNormBench(pixels, 768, true),
		convBench("Conv3x3", images, 28, 768), convBench("Conv3x3", images, 56, 768), convBench("UpConv3x3", images, 14, 768), convBench("UpConv3x3", images, 28, 768),
		groundBench(images, 56, texts, 512), variationBench(images, 56, 512), infoNCEBench(images, texts),
		adamWBench(28 << 20), normBench(28 << 20), digestBench(28 << 20),
		similarityBench(112, 171, 512), refineBench(21, 112),
	}
}

// Time runs each operation of a step whose name contains filter for about so long, and yields what it found. Working memory
// is given back after each.
func Time(dev kernels.Device, images, texts int, filter string, each time.Duration) iter.Seq2[Timing, error] {
	return func(yield func(Timing, error) bool) {
		for _, op := range timings(images, texts) {
			if strings.Contains(op.name, filter) && !yield(timeOne(dev, op, each)) {
				return
			}
		}
	}
}

// timeOne doubles the number of calls until they take long enough. The first call is not counted.
func timeOne(dev kernels.Device, op bench, each time.Duration) (Timing, error) {
	l := newLab(dev, 0, 0)
	defer l.close()
	run := op.prepare(l)
	run()
	t := Timing{Name: op.name, Flops: op.flops, Bytes: op.bytes}
	if op.flops > 0 {
		t.Bytes = 0
	}
	var rows, cols, inner int
	if n, _ := fmt.Sscanf(op.name, "MatMul/%dx%dx%d", &rows, &cols, &inner); n == 3 {
		t.Product = []int{rows, cols, inner}
	}
	for calls := 1; ; calls *= 2 {
		if err := dev.Sync(); err != nil {
			return t, fmt.Errorf("%s: %w", op.name, err)
		}
		start := time.Now()
		for range calls {
			run()
		}
		if err := dev.Sync(); err != nil {
			return t, fmt.Errorf("%s: %w", op.name, err)
		}
		if spent := time.Since(start); spent >= each || calls == 1<<20 {
			t.Seconds = spent.Seconds() / float64(calls)
			return t, nil
		}
	}
}
