package ftfy

import "unicode/utf8"

// joinSurrogates rewrites two variants of UTF-8 as UTF-8: the six bytes of CESU-8, in which each half of a UTF-16 pair is
// written as if it were a character, and Java's two-byte NUL.
func joinSurrogates(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		if r, ok := surrogatePair(b); ok {
			out, b = utf8.AppendRune(out, r), b[6:]
		} else if len(b) >= 2 && b[0] == 0xC0 && b[1] == 0x80 {
			out, b = append(out, 0), b[2:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return out
}

// surrogatePair reads the two halves that b begins with: 1110 1101, 1010 hhhh, 10 hhhhhh, 1110 1101, 1011 llll, 10 llllll.
func surrogatePair(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != 0xED || b[1]&0xF0 != 0xA0 || b[2]&0xC0 != 0x80 ||
		b[3] != 0xED || b[4]&0xF0 != 0xB0 || b[5]&0xC0 != 0x80 {
		return 0, false
	}
	high := rune(b[1]&0x0F)<<6 | rune(b[2]&0x3F)
	low := rune(b[4]&0x0F)<<6 | rune(b[5]&0x3F)
	return 0x10000 + high<<10 + low, true
}
