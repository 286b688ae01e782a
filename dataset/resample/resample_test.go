package resample

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// anyTaps draws taps that stay within so many inputs.
func anyTaps(t *rapid.T, inputs int) Taps {
	taps := Taps{Width: rapid.IntRange(1, min(inputs, 9)).Draw(t, "width")}
	for range rapid.IntRange(1, 40).Draw(t, "outputs") {
		taps.First = append(taps.First, int32(rapid.IntRange(0, inputs-taps.Width).Draw(t, "first")))
		for range taps.Width {
			taps.Weights = append(taps.Weights, int32(rapid.IntRange(0, 1<<WeightBits/taps.Width).Draw(t, "weight")))
		}
	}
	return taps
}

// resizes are the ways to compute a Resize that this build has beside Go.
var resizes = map[string]func(dst, src []uint8, stride int, across, down Taps){"as chosen": Resize}

func TestAllWaysGiveTheSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width, height := rapid.IntRange(1, 50).Draw(t, "wide"), rapid.IntRange(1, 50).Draw(t, "high")
		src := rapid.SliceOfN(rapid.Byte(), 3*width*height, 3*width*height).Draw(t, "pixels")
		across, down := anyTaps(t, width), anyTaps(t, height)
		got, want := make([]uint8, 3*len(across.First)*len(down.First)), make([]uint8, 3*len(across.First)*len(down.First))
		resizeGo(want, src, 3*width, across, down)
		for name, resize := range resizes {
			if resize(got, src, 3*width, across, down); !bytes.Equal(got, want) {
				t.Fatalf("%s: %v\n%v", name, got, want)
			}
		}
	})
}

func TestTapsOutsideThePicturePanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	outside := Taps{Width: 2, First: []int32{1}, Weights: []int32{1, 1}}
	Resize(make([]uint8, 3), make([]uint8, 12), 6, outside, outside)
}

// triangle makes taps as a bilinear reduction from n inputs to outputs has them.
func triangle(n, outputs int) Taps {
	reach := max(float64(n)/float64(outputs), 1)
	taps := Taps{Width: int(2*reach) + 1}
	for i := range outputs {
		taps.First = append(taps.First, int32(max(0, min(int(reach*(float64(i)-0.5)), n-taps.Width))))
		for range taps.Width {
			taps.Weights = append(taps.Weights, int32(1<<WeightBits/taps.Width))
		}
	}
	return taps
}

func BenchmarkResize(b *testing.B) {
	const width, height, crop, side = 683, 512, 380, 224
	src, dst, taps := make([]uint8, 3*width*height), make([]uint8, 3*side*side), triangle(crop, side)
	for b.Loop() {
		Resize(dst, src, 3*width, taps, taps)
	}
}
