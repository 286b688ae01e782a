package philox

import "math"

// Stream reads one (step, lane) place of a key from its beginning: for code that draws a varying number of values, such
// as an augmentation. Two streams of the same key and place give the same values. A Stream is not safe for concurrent use.
type Stream struct {
	key        Key
	step, lane uint32
	next       uint64
	words      [4]uint32
}

// Stream returns the reader at (step, lane). Use sub to give samples of one lane streams of their own: each sub owns 2^32 blocks.
func (k Key) Stream(step, lane, sub uint32) *Stream {
	return &Stream{key: k, step: step, lane: lane, next: uint64(sub) << 34}
}

// Uint32 returns the next 32 random bits.
func (s *Stream) Uint32() uint32 {
	if s.next%4 == 0 {
		w := &s.words
		w[0], w[1], w[2], w[3] = s.key.block(s.step, s.lane, s.next/4)
	}
	x := s.words[s.next%4]
	s.next++
	return x
}

// Float returns the next value in (0, 1), a multiple of 2^-24.
func (s *Stream) Float() float64 { return float64(unit(s.Uint32())) }

// Range returns the next value in (lo, hi).
func (s *Stream) Range(lo, hi float64) float64 { return lo + (hi-lo)*s.Float() }

// Intn returns the next value in [0, n). The bias of the multiply-shift is below 2^-32*n, the same on every machine.
func (s *Stream) Intn(n int) int { return int(uint64(s.Uint32()) * uint64(n) >> 32) }

// Chance reports true with probability p.
func (s *Stream) Chance(p float64) bool { return s.Float() < p }

// Normal returns the next normal variate of mean 0 and standard deviation 1, by Box and Muller. It always draws two values.
func (s *Stream) Normal() float64 {
	r, a := s.Float(), s.Float()
	return math.Sqrt(-2*math.Log(r)) * math.Cos(2*math.Pi*a)
}

// Perm returns a permutation of 0..n-1 (Fisher-Yates).
func (s *Stream) Perm(n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := s.Intn(i + 1)
		p[i], p[j] = p[j], p[i]
	}
	return p
}
