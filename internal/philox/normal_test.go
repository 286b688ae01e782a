package philox

import (
	"math"
	"slices"
	"testing"
)

// A million variates against the normal distribution: its moments, and how many lie below each of 33 thresholds, the tail
// beyond the ziggurat's lowest layer among them. Bounds are five standard deviations; the stream is always the same.
func TestNormalsAreNormal(t *testing.T) {
	const n = 1 << 20
	values := make([]float32, n)
	NewKey(1, Test).Stream(0, 0, 0).Normals(values)
	var sums [5]float64
	for _, v := range values {
		power := 1.0
		for i := range sums {
			sums[i], power = sums[i]+power, power*float64(v)
		}
	}
	for power, c := range map[int]struct{ mean, variance float64 }{1: {0, 1}, 2: {1, 2}, 3: {0, 15}, 4: {3, 96}} {
		if got := sums[power] / n; math.Abs(got-c.mean) > 5*math.Sqrt(c.variance/n) {
			t.Errorf("moment %d is %v, want %v", power, got, c.mean)
		}
	}
	slices.Sort(values)
	for x := -4.0; x <= 4; x += 0.25 {
		below, _ := slices.BinarySearch(values, float32(x))
		share := math.Erfc(-x/math.Sqrt2) / 2
		if got := float64(below) / n; math.Abs(got-share) > 5*math.Sqrt(share*(1-share)/n) {
			t.Errorf("a share of %v lies below %v, want %v", got, x, share)
		}
	}
}

func TestNeighbouringNormalsAreIndependent(t *testing.T) {
	const n = 1 << 20
	values := make([]float32, n)
	NewKey(2, Test).Stream(0, 0, 0).Normals(values)
	for lag := 1; lag <= 8; lag++ {
		sum, ofSizes := 0.0, 0.0
		for i, v := range values[lag:] {
			a, b := float64(values[i]), float64(v)
			sum, ofSizes = sum+a*b, ofSizes+(a*a-1)*(b*b-1)
		}
		if math.Abs(sum/n) > 5/math.Sqrt(n) || math.Abs(ofSizes/n) > 5*2/math.Sqrt(n) {
			t.Errorf("lag %d: correlation %v, of squares %v", lag, sum/n, ofSizes/n/2)
		}
	}
}

func TestTheSameStreamGivesTheSameNormals(t *testing.T) {
	whole, parts := make([]float32, 1000), make([]float32, 1000)
	NewKey(3, Test).Stream(1, 2, 3).Normals(whole)
	r := NewKey(3, Test).Stream(1, 2, 3)
	for from := 0; from < len(parts); from += 125 {
		r.Normals(parts[from : from+125])
	}
	if !slices.Equal(whole, parts) {
		t.Error("drawing in parts changes the variates")
	}
}

// The layers must close at the top: with another area or tail the last one would not end at zero.
func TestTheZigguratCloses(t *testing.T) {
	last := float64(ziggurat.unit[layers-1]) * places
	if top := layerArea/last + bell(last); math.Abs(top-1) > 1e-6 {
		t.Errorf("the top layer ends at %v", top)
	}
}

func BenchmarkNormals(b *testing.B) {
	r, values := NewKey(1, Test).Stream(0, 0, 0), make([]float32, 1000)
	b.SetBytes(int64(4 * len(values)))
	for b.Loop() {
		r.Normals(values)
	}
}

func BenchmarkNormal(b *testing.B) {
	r := NewKey(1, Test).Stream(0, 0, 0)
	b.SetBytes(4)
	for b.Loop() {
		r.Normal()
	}
}
