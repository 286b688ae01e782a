package checkpoint

import (
	"fmt"
	"testing"
)

// realState has the size of phase 2 at ViT-B/16: 28.7 M parameters, 344 MB with moments.
func realState() *State {
	s := &State{Step: 1}
	for i := range 7 {
		shape := []int{4_100_000}
		s.Names = append(s.Names, fmt.Sprintf("tensor-%d", i))
		s.Params, s.M1, s.M2 = append(s.Params, ramp(shape, 1, i, 1)), append(s.M1, ramp(shape, 1, i, 1)), append(s.M2, ramp(shape, 1, i, 1))
		s.Updates = append(s.Updates, 1)
	}
	return s
}

const realBytes = 3 * 7 * 4_100_000 * 4

func BenchmarkSaveAndLoad(b *testing.B) {
	small := limits
	limits = volumeLimits{enoughBytes: 16 << 20, maxBytes: 32 << 20}
	defer func() { limits = small }()
	s, st := realState(), openStore(b, b.TempDir())
	b.Run("save", func(b *testing.B) {
		b.SetBytes(realBytes)
		for b.Loop() {
			s.Step++
			if _, err := saveState(b.Context(), st, s, 1, fmt.Sprintf("w%d", s.Step)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("load", func(b *testing.B) {
		b.SetBytes(realBytes)
		for b.Loop() {
			if _, err := Latest(b.Context(), st, history); err != nil {
				b.Fatal(err)
			}
		}
	})
}
