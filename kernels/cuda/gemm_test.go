//go:build cuda && cgo

package cuda

import "testing"

// Bits follow from how a product is cut, so a change here is a change of numbers. The shapes of tiles_test.go are among these.
func TestTilingsOfKnownShapes(t *testing.T) {
	v := variants{&kernel{name: "large"}, &kernel{name: "small"}, &kernel{name: "exact"}}
	for _, c := range []struct {
		precision                   Precision
		rows, cols, products, steps int
		kernel                      string
		tiles, splits               int
	}{
		{bf16, 1500, 1020, 1, 2, "large", 96, 1},
		{bf16, 788, 768, 1, 24, "small", 156, 1},
		{bf16, 70, 90, 1, 35, "small", 4, 2},
		{bf16, 768, 512, 1, 6272, "small", 96, 5}, // weight gradient of the projection, 64 images
		{bf16, 768, 768, 9, 392, "large", 36, 1},  // of a convolution
		{bf16, 10, 6, 9, 35, "small", 1, 2},
		{Float32, 1500, 1020, 1, 2, "exact", 384, 1},
		{Float32, 1, 1, 1, 1, "exact", 1, 1},
	} {
		d := &device{precision: c.precision}
		got := d.tile(v, c.rows, c.cols, c.products, c.steps)
		if got.kernel.name != c.kernel || got.tiles != c.tiles || got.splits != c.splits {
			t.Errorf("%+v: %s kernel, %d tiles, %d splits", c, got.kernel.name, got.tiles, got.splits)
		}
	}
}
