//go:build cuda && cgo

package cuda

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is taken and given back, in whatever order: pieces never overlap, nothing is lost, and neighbours join again.
func TestAnArenaHandsOutDisjointPiecesAndLosesNone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		owned := []span{{4096, 64 << 10}, {4096 + 64<<10, 32 << 10}, {1 << 20, 16 << 10}} // the first two touch
		var a arena
		for _, i := range rapid.Permutation([]int{0, 1, 2}).Draw(t, "order") {
			a.add(owned[i])
		}
		var held []span
		for range rapid.IntRange(0, 80).Draw(t, "operations") {
			if len(held) > 0 && rapid.Bool().Draw(t, "give") {
				i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
				a.give(held[i])
				held = slices.Delete(held, i, i+1)
				continue
			}
			bytes := rapid.Int64Range(1, 20<<10).Draw(t, "bytes")
			piece, ok := a.take(bytes)
			if !ok {
				continue
			}
			if piece.bytes < bytes || piece.address%alignment != 0 || !slices.ContainsFunc(owned, func(o span) bool { return o.address <= piece.address && piece.end() <= o.end() }) {
				t.Fatalf("%d bytes are %+v", bytes, piece)
			}
			for _, other := range held {
				if piece.address < other.end() && other.address < piece.end() {
					t.Fatalf("%+v and %+v overlap", piece, other)
				}
			}
			held = append(held, piece)
		}
		live := int64(0)
		for _, piece := range held {
			live += piece.bytes
		}
		if a.live != live || a.peak < live {
			t.Fatalf("%d bytes are live, the arena counts %d, at most %d", live, a.live, a.peak)
		}
		for _, piece := range held {
			a.give(piece)
		}
		if a.live != 0 || !slices.Equal(a.free, owned) {
			t.Fatalf("%+v are free, %d bytes live", a.free, a.live)
		}
	})
}

// A dry run on an arena without end finds the size in which the same requests succeed.
func TestAPlannedArenaFitsTheSameRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		requests := rapid.SliceOf(rapid.Int64Range(-1, 10<<10)).Draw(t, "requests") // -1 gives the oldest back
		replay := func(a *arena) (ok bool) {
			var held []span
			for _, bytes := range requests {
				if bytes < 0 && len(held) > 0 {
					a.give(held[0])
					held = held[1:]
				} else if bytes > 0 {
					piece, ok := a.take(bytes)
					if !ok {
						return false
					}
					held = append(held, piece)
				}
			}
			return true
		}
		var dry, planned arena
		dry.add(span{dryBase, dryBytes})
		dry.extent = dryBase
		replay(&dry)
		planned.add(span{1 << 30, int64(dry.extent - dryBase)})
		if !replay(&planned) {
			t.Fatalf("%d bytes are not enough", dry.extent-dryBase)
		}
	})
}

func TestGivingTwiceIsFound(t *testing.T) {
	var a arena
	a.add(span{4096, 4096})
	piece, _ := a.take(100)
	a.give(piece)
	defer func() {
		if recover() == nil {
			t.Error("nobody noticed")
		}
	}()
	a.give(piece)
}
