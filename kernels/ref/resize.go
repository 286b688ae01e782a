package ref

import (
	"math"

	"github.com/textground/textground/kernels"
)

// tap is one source line or column of a resampled one.
type tap struct {
	from   int
	weight float64
}

// Resize resamples along both axes at once; the taps are those of PyTorch's interpolate.
func (d *device) Resize(dst, src kernels.Tensor, how kernels.Resampling) {
	planes, h, w := src.Shape[0], src.Shape[1], src.Shape[2]
	height, width := dst.Shape[1], dst.Shape[2]
	kernels.RequireShape("Resize: src", src, planes, h, w)
	kernels.RequireShape("Resize: dst", dst, planes, height, width)
	ys, xs := tapsOf(height, h, how), tapsOf(width, w, how)
	in, out := values(src), values(dst)
	parallel(planes*height, func(line int) {
		plane := in[line/height*h*w:][:h*w]
		for x := range width {
			sum := 0.0
			for _, ty := range ys[line%height] {
				across := 0.0
				for _, tx := range xs[x] {
					across += tx.weight * float64(plane[ty.from*w+tx.from])
				}
				sum += ty.weight * across
			}
			out[line*width+x] = float32(sum)
		}
	})
}

// tapsOf returns, for each of n outputs, the sources among m inputs.
func tapsOf(n, m int, how kernels.Resampling) [][]tap {
	all := make([][]tap, n)
	for i := range all {
		switch how {
		case kernels.Nearest:
			all[i] = []tap{{i * m / n, 1}}
		case kernels.Bilinear:
			all[i] = linear(max(0, (float64(i)+0.5)*float64(m)/float64(n)-0.5), m)
		case kernels.BilinearAligned:
			all[i] = linear(float64(i)*float64(m-1)/float64(max(n-1, 1)), m)
		case kernels.Bicubic:
			all[i] = cubic((float64(i)+0.5)*float64(m)/float64(n)-0.5, m)
		}
	}
	return all
}

func linear(at float64, m int) []tap {
	low := min(int(at), m-1)
	part := at - float64(low)
	return []tap{{low, 1 - part}, {min(low+1, m-1), part}}
}

// cubic is Keys' kernel with a = -0.75 on four clamped neighbours.
func cubic(at float64, m int) []tap {
	const a = -0.75
	near := func(x float64) float64 { return ((a+2)*x-(a+3))*x*x + 1 }
	far := func(x float64) float64 { return ((a*x-5*a)*x+8*a)*x - 4*a }
	low := math.Floor(at)
	part := at - low
	weights := [4]float64{far(part + 1), near(part), near(1 - part), far(2 - part)}
	four := make([]tap, 4)
	for k, weight := range weights {
		four[k] = tap{min(max(int(low)-1+k, 0), m-1), weight}
	}
	return four
}
