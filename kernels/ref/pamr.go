package ref

import (
	"math"

	"github.com/textground/textground/kernels"
)

// RefineMasks is PAMR (tcl-spec section 8): affinities once, then iterations that average neighbours.
func (d *device) RefineMasks(masks, image kernels.Tensor, p kernels.PAMR) {
	count, h, w := masks.Shape[0], masks.Shape[1], masks.Shape[2]
	kernels.RequireShape("RefineMasks: masks", masks, count, h, w)
	kernels.RequireShape("RefineMasks: image", image, image.Shape[0], h, w)
	affinity := affinities(values(image), h, w, p.Dilations)
	all := values(masks)
	parallel(count, func(n int) {
		mask := all[n*h*w:][:h*w]
		for range p.Iterations {
			before := widen(mask)
			for place := range mask {
				sum := 0.0
				for k, from := range neighbours(place, h, w, p.Dilations) {
					sum += affinity[place][k] * before[from]
				}
				mask[place] = float32(sum)
			}
		}
	})
}

// neighbours returns the places of the eight neighbours at each dilation, clamped to the map (replicate padding).
func neighbours(place, h, w int, dilations []int) []int {
	all := make([]int, 0, 8*len(dilations))
	for _, d := range dilations {
		for k := range taps {
			if k == 4 {
				continue
			}
			y := min(max(place/w+(k/3-1)*d, 0), h-1)
			x := min(max(place%w+(k%3-1)*d, 0), w-1)
			all = append(all, y*w+x)
		}
	}
	return all
}

// affinities returns for each place the softmax over its neighbours of the channel mean of -|x_c-x_n|/(1e-8+0.1 sigma).
func affinities(image []float32, h, w int, dilations []int) [][]float64 {
	channels := len(image) / (h * w)
	all := make([][]float64, h*w)
	parallel(h*w, func(place int) {
		around := neighbours(place, h, w, dilations)
		a := make([]float64, len(around))
		for c := range channels {
			plane := image[c*h*w:][:h*w]
			centre, sigma := float64(plane[place]), deviation(plane, place, around, len(dilations))
			for k, from := range around {
				a[k] -= math.Abs(centre-float64(plane[from])) / (1e-8 + 0.1*sigma) / float64(channels)
			}
		}
		softmax(a)
		all[place] = a
	})
	return all
}

// deviation is the unbiased standard deviation over all neighbours and the centre, once a dilation.
func deviation(plane []float32, place int, around []int, centres int) float64 {
	n := float64(len(around) + centres)
	mean := float64(centres) * float64(plane[place]) / n
	for _, from := range around {
		mean += float64(plane[from]) / n
	}
	off := float64(plane[place]) - mean
	sum := float64(centres) * off * off
	for _, from := range around {
		sum += (float64(plane[from]) - mean) * (float64(plane[from]) - mean)
	}
	return math.Sqrt(sum / (n - 1))
}

func softmax(x []float64) {
	most := math.Inf(-1)
	for _, v := range x {
		most = max(most, v)
	}
	sum := 0.0
	for i, v := range x {
		x[i] = math.Exp(v - most)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}
