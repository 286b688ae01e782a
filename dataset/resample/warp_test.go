package resample

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// warps are the ways to compute a Warp that this build has beside Go.
var warps = map[string]func(dst, src []uint8, width, height int, m Affine, fill [3]uint8){"as chosen": Warp}

func TestAllWaysWarpToTheSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width, height := rapid.IntRange(1, 30).Draw(t, "wide"), rapid.IntRange(1, 30).Draw(t, "high")
		src := rapid.SliceOfN(rapid.Byte(), 3*width*height, 3*width*height).Draw(t, "pixels")
		by, number := rapid.Float64Range(-2, 2), rapid.Float64Range(-20, 20)
		m := rapid.SampledFrom([]Affine{
			{A: 1, B: by.Draw(t, "B"), E: 1}, {A: 1, D: by.Draw(t, "D"), E: 1}, {A: 1, C: number.Draw(t, "C"), E: 1, F: number.Draw(t, "F")},
			{by.Draw(t, "a"), by.Draw(t, "b"), number.Draw(t, "c"), by.Draw(t, "d"), by.Draw(t, "e"), number.Draw(t, "f")},
		}).Draw(t, "map")
		got, want := make([]uint8, len(src)), make([]uint8, len(src))
		warpGo(want, src, width, height, m, [3]uint8{1, 2, 3})
		for name, warp := range warps {
			if warp(got, src, width, height, m, [3]uint8{1, 2, 3}); !bytes.Equal(got, want) {
				t.Fatalf("%s: %v\n%v", name, got, want)
			}
		}
	})
}

func BenchmarkWarp(b *testing.B) {
	const side = 224
	src, dst := make([]uint8, 3*side*side), make([]uint8, 3*side*side)
	for name, m := range map[string]Affine{"shear": {A: 1, B: 0.27, E: 1}, "turn": {0.9, 0.4, 3, -0.4, 0.9, 5}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Warp(dst, src, side, side, m, [3]uint8{})
			}
		})
		b.Run(name+" in Go", func(b *testing.B) {
			for b.Loop() {
				warpGo(dst, src, side, side, m, [3]uint8{})
			}
		})
	}
}
