package philox

import "testing"

// The known answers of the Random123 distribution for philox4x32-10.
func TestRoundsMatchPublishedVectors(t *testing.T) {
	for _, c := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		w0, w1, w2, w3 := rounds(c.counter[0], c.counter[1], c.counter[2], c.counter[3], c.key[0], c.key[1])
		if got := [4]uint32{w0, w1, w2, w3}; got != c.want {
			t.Errorf("rounds(%x, %x) = %x, want %x", c.counter, c.key, got, c.want)
		}
	}
}

func TestUniformsEqualSingleDraws(t *testing.T) {
	k := NewKey(38, Gumbel)
	dst := make([]float32, 7)
	k.Uniforms(dst, 5, 2)
	for i, got := range dst {
		if want := k.Uniform(5, 2, uint64(i)); got != want {
			t.Errorf("element %d: %v, want %v", i, got, want)
		}
		if got <= 0 || got >= 1 {
			t.Errorf("element %d: %v is outside (0, 1)", i, got)
		}
	}
}

func TestStreamsOfDifferentPlacesDiffer(t *testing.T) {
	seen := map[uint32]bool{}
	for _, use := range []Use{Gumbel, Augment} {
		for step := range uint32(3) {
			for lane := range uint32(3) {
				for sub := range uint32(3) {
					x := NewKey(1, use).Stream(step, lane, sub).Uint32()
					if seen[x] {
						t.Fatalf("use %d, step %d, lane %d, sub %d repeats another stream", use, step, lane, sub)
					}
					seen[x] = true
				}
			}
		}
	}
}

func TestPermIsAPermutation(t *testing.T) {
	p := NewKey(1, Test).Stream(0, 0, 0).Perm(100)
	seen := make([]bool, len(p))
	for _, v := range p {
		if seen[v] {
			t.Fatalf("%d appears twice", v)
		}
		seen[v] = true
	}
}
