//go:build cuda && cgo

package cuda

import (
	"errors"
	"testing"

	"github.com/textground/textground/kernels"
)

// Bits follow from the choice of kernels and tiles, so a change here is a change of numbers. The shapes are those of 64 images of
// ViT-B/16 and of a decoder of 768 channels.
func TestHopperChoicesOfKnownShapes(t *testing.T) {
	maps := func(side int) positions { return positions{64, side, side} }
	convShape := func(side int) convShape { return convShape{b: 64, h: side, w: side, ci: 768, co: 768} }
	for _, c := range []struct {
		what         string
		work         engineWork
		pays         bool
		cols, splits int
	}{
		{"queries, keys and values", gemmWork(12608, 2304, 768), true, 256, 1},
		{"first half of the MLP", gemmWork(12608, 3072, 768), true, 256, 1},
		{"its other half", gemmWork(12608, 768, 3072), true, 128, 1},
		{"its weight gradient: packing costs as much as the product", sharedWork(768, 3072, 12608), false, 256, 3},
		{"a long step of few sums", gemmWork(2048, 2048, 32), false, 256, 1},
		{"one image", gemmWork(197, 768, 768), false, 128, 1},
		{"one image's weight gradient", sharedWork(768, 768, 197), false, 128, 1},
		{"convolution of 28 x 28", convWork(maps(28), 768, 768, 3, 1, 1), true, 256, 1},
		{"of 14 x 14, upsampled", convWork(maps(14), 768, 768, 2, 1, 2), true, 256, 1},
		{"its input gradient", convWork(maps(14), 768, 768, 4, 2, 1), true, 128, 1},
		{"its weight gradient", convWeightWork(convShape(14), 16, 2), true, 256, 2},
		{"convolution of few channels", convWork(maps(28), 16, 16, 3, 1, 1), false, 128, 1},
	} {
		if got := c.work.tiling(); c.work.pays(got) != c.pays || got.cols != c.cols || got.splits != c.splits {
			t.Errorf("%s: pays %v in %+v", c.what, c.work.pays(got), got)
		}
	}
}

// Boxes of positions leave little of their tiles empty.
func TestBoxesOfKnownMaps(t *testing.T) {
	for _, c := range []struct {
		positions positions
		tile      box
		tiles     int
		summing   box
		stages    int
	}{
		{positions{64, 56, 56}, box{8, 8, 2}, 1568, box{8, 8, 1}, 3136},
		{positions{64, 28, 28}, box{4, 4, 8}, 392, box{4, 4, 4}, 784},
		{positions{64, 14, 14}, box{2, 2, 32}, 98, box{2, 2, 16}, 196},
		{positions{1, 14, 14}, box{14, 9, 1}, 2, box{16, 4, 1}, 4},
		{positions{1, 1, 1000}, box{128, 1, 1}, 8, box{64, 1, 1}, 16},
		{positions{1, 1, 1}, box{1, 1, 1}, 1, box{64, 1, 1}, 1},
	} {
		tile, summing := tileBox(c.positions), summingBox(c.positions)
		if tile != c.tile || tile.boxes(c.positions) != c.tiles || summing != c.summing || summing.boxes(c.positions) != c.stages {
			t.Errorf("%+v: %d tiles %+v, %d stages %+v", c.positions, tile.boxes(c.positions), tile, summing.boxes(c.positions), summing)
		}
	}
}

// What operands are packed into is part of the plan: a step that was planned asks the driver for nothing.
func TestPackedOperandsArePlanned(t *testing.T) {
	d := openTest(t, BFloat16)
	defer FavourHopper(132)()
	work := func(dev kernels.Device) error {
		matrix := func(shape ...int) kernels.Tensor { return dev.Alloc(kernels.Float32, shape...) }
		dev.MatMul(matrix(130, 70), matrix(300, 130), matrix(300, 70), kernels.MatMul{TransA: true})
		dev.MatMul(matrix(130, 70), matrix(130, 300), matrix(300, 70), kernels.MatMul{})
		dev.UpConv3x3WeightGrad(matrix(8, 9, 3, 3), matrix(8), matrix(1, 5, 5, 9), matrix(1, 10, 10, 8))
		dev.UpConv3x3InputGrad(matrix(1, 5, 5, 9), matrix(1, 10, 10, 8), matrix(8, 9, 3, 3), matrix())
		return dev.Sync()
	}
	need, err := d.Plan(work)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Reserve(need), work(d)); err != nil {
		t.Fatal(err)
	}
	if len(d.arena.owned) != 1 || d.arena.owned[0].bytes != need {
		t.Errorf("the plan is %d bytes, the arena %v", need, d.arena.owned)
	}
}
