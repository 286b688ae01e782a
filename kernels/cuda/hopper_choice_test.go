//go:build cuda && cgo

package cuda

import "testing"

// Bits follow from the choice of kernels and tiles, so a change here is a change of numbers. The shapes are those of 64 images of
// ViT-B/16.
func TestHopperChoicesOfKnownShapes(t *testing.T) {
	for _, c := range []struct {
		what  string
		work  engineWork
		pays  bool
		tiles int // columns of a tile
	}{
		{"queries, keys and values", gemmWork(12608, 2304, 768), true, 256},
		{"first half of the MLP", gemmWork(12608, 3072, 768), true, 256},
		{"second half, and its own output", gemmWork(12608, 768, 3072), true, 128},
		{"weight gradient", gemmWork(768, 3072, 12608), false, 256},
		{"a step of few sums", gemmWork(2048, 2048, 32), false, 256},
		{"one image", gemmWork(197, 768, 768), false, 128},
	} {
		if c.work.pays() != c.pays || c.work.tileCols() != c.tiles {
			t.Errorf("%s: pays %v, tiles of %d columns", c.what, c.work.pays(), c.work.tileCols())
		}
	}
}

// Boxes of positions leave little of their tiles empty.
func TestBoxesOfKnownMaps(t *testing.T) {
	for _, c := range []struct {
		shape convShape
		box   box
		count int
	}{
		{convShape{b: 64, h: 56, w: 56}, box{8, 8, 2}, 1568},
		{convShape{b: 64, h: 28, w: 28}, box{4, 4, 8}, 392},
		{convShape{b: 64, h: 14, w: 14}, box{2, 2, 32}, 98},
		{convShape{b: 1, h: 14, w: 14}, box{14, 9, 1}, 2},
		{convShape{b: 1, h: 1, w: 1}, box{1, 1, 1}, 1},
	} {
		if got := boxFor(c.shape); got != c.box || got.boxes(c.shape) != c.count {
			t.Errorf("%+v: %d boxes %+v", c.shape, got.boxes(c.shape), got)
		}
	}
}
