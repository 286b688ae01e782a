package dataset

import (
	"math"

	"github.com/textground/textground/internal/philox"
)

// ImageNet's statistics of pixels scaled to 0..1, by which all images are normalised (tcl-spec section 1).
var (
	pixelMean      = [3]float64{0.485, 0.456, 0.406}
	pixelDeviation = [3]float64{0.229, 0.224, 0.225}
)

// shiftOf draws the pixels by which one axis moves.
func shiftOf(cfg AugmentConfig, r *philox.Stream) int {
	return cfg.ShiftStride*(r.Intn(3)-1) + r.Intn(2*cfg.Shift+1) - cfg.Shift
}

// shiftReflected moves the picture by (dx, dy) pixels; what comes in at an edge is its mirror image, the edge pixel not
// repeated.
func shiftReflected(img *Image, dx, dy int) *Image {
	out := borrowImage(img.Width, img.Height)
	for y := range img.Height {
		row := img.Pix[3*img.Width*reflected(y-dy, img.Height):]
		for x := range img.Width {
			from := 3 * reflected(x-dx, img.Width)
			copy(out.Pix[3*(y*img.Width+x):], row[from:from+3])
		}
	}
	return out
}

// reflected folds any position into 0..n-1.
func reflected(i, n int) int {
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	i = (i%period + period) % period
	return min(i, period-i)
}

func channelGains(cfg AugmentConfig, r *philox.Stream) [3]float64 {
	gains := [3]float64{1, 1, 1}
	if cfg.Gain > 0 {
		for c := range gains {
			gains[c] = r.Range(1-cfg.Gain, 1+cfg.Gain)
		}
	}
	return gains
}

// normalise writes the planes of a picture into dst [3, height, width].
func normalise(dst []float32, img *Image, gains [3]float64) {
	n := img.Width * img.Height
	red, green, blue := normalisedValues(0, gains[0]), normalisedValues(1, gains[1]), normalisedValues(2, gains[2])
	r, g, b := dst[:n:n], dst[n:2*n:2*n], dst[2*n:3*n:3*n]
	for i := range r {
		pixel := img.Pix[3*i : 3*i+3 : 3*i+3]
		r[i], g[i], b[i] = red[pixel[0]], green[pixel[1]], blue[pixel[2]]
	}
}

func normalisedValues(c int, gain float64) (values [256]float32) {
	for v := range values {
		brightness := min(float64(v)*gain, 255) / 255
		values[v] = float32((brightness - pixelMean[c]) / pixelDeviation[c])
	}
	return values
}

// eraseRectangle replaces one region of dst [3, size, size] by normal noise, as timm's RandomErasing does in its pixel
// mode: 2 % to a third of the area, side ratio 0.3 to 1/0.3, ten attempts to fit.
func eraseRectangle(dst []float32, size int, r *philox.Stream) {
	for range 10 {
		area := r.Range(0.02, 1./3) * float64(size*size)
		ratio := math.Exp(r.Range(math.Log(0.3), math.Log(1/0.3)))
		height := int(math.RoundToEven(math.Sqrt(area * ratio)))
		width := int(math.RoundToEven(math.Sqrt(area / ratio)))
		if width < size && height < size {
			y := r.Intn(size - height + 1)
			x := r.Intn(size - width + 1)
			fillNoise(dst, size, box{x, y, width, height}, r)
			return
		}
	}
}

func fillNoise(dst []float32, size int, b box, r *philox.Stream) {
	for c := range 3 {
		for y := range b.height {
			start := (c*size+b.y+y)*size + b.x
			r.Normals(dst[start : start+b.width])
		}
	}
}
