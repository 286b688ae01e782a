package ftfy

// A byteSet is a union of ranges, a bytePattern a sequence of sets.
type (
	byteRange   struct{ low, high byte }
	byteSet     []byteRange
	bytePattern []byteSet
)

func (s byteSet) has(b byte) bool {
	for _, r := range s {
		if b >= r.low && b <= r.high {
			return true
		}
	}
	return false
}

// matchLength returns the length of the first pattern that b begins with, or 0.
func matchLength(patterns []bytePattern, b []byte) int {
	for _, p := range patterns {
		if p.matches(b) {
			return len(p)
		}
	}
	return 0
}

func (p bytePattern) matches(b []byte) bool {
	if len(p) > len(b) {
		return false
	}
	for i, set := range p {
		if !set.has(b[i]) {
			return false
		}
	}
	return true
}

// replaceMatches rewrites every match of the patterns, leftmost first.
func replaceMatches(b []byte, patterns []bytePattern, rewrite func(match []byte) []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		if n := matchLength(patterns, b); n > 0 {
			out, b = append(out, rewrite(b[:n])...), b[n:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return out
}
