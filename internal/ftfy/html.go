package ftfy

import (
	"html"
	"strconv"
	"strings"
	"unicode/utf8"
)

// UnescapeHTML replaces every character reference as the HTML5 standard asks of a browser, also where the semicolon is
// missing ("&ampfoo" becomes "&foo"). Numbers that stand for no character vanish.
func UnescapeHTML(s string) string {
	if !strings.Contains(s, "&") {
		return s
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "&")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		var length int
		if strings.HasPrefix(after, "#") {
			length = numericReference(&out, after)
		} else {
			length = namedReference(&out, after)
		}
		if length == 0 {
			out.WriteByte('&')
		}
		s = after[length:]
	}
}

// longestEntityName is that of "CounterClockwiseContourIntegral;".
const longestEntityName = 32

// namedReference writes what the entity that s begins with stands for and returns its length without the ampersand, or 0.
func namedReference(out *strings.Builder, s string) int {
	n := 0
	for n < len(s) && n < longestEntityName && isASCIIAlphanumeric(s[n]) {
		n++
	}
	if n < len(s) && s[n] == ';' {
		n++
	}
	if n == 0 {
		return 0
	}
	escaped := "&" + s[:n]
	text := html.UnescapeString(escaped)
	if text == escaped {
		return 0
	}
	out.WriteString(text)
	return n
}

// numericReference does the same for "#65;" and "#x41;".
func numericReference(out *strings.Builder, s string) int {
	base, start := 10, 1
	if len(s) > 1 && (s[1] == 'x' || s[1] == 'X') {
		base, start = 16, 2
	}
	end := start
	for end < len(s) && isDigit(s[end], base) {
		end++
	}
	if end == start {
		return 0
	}
	number, err := strconv.ParseUint(s[start:end], base, 32)
	if err != nil {
		number = utf8.MaxRune + 1
	}
	out.WriteString(characterOfReference(rune(min(number, utf8.MaxRune+1))))
	if end < len(s) && s[end] == ';' {
		end++
	}
	return end
}

// characterOfReference returns what a numeric reference stands for in HTML5: C1 controls are read as Windows-1252, what is
// no character is replaced or dropped.
func characterOfReference(r rune) string {
	switch {
	case r >= 0x80 && r <= 0x9F:
		return string(windows1252.decode(byte(r)))
	case r == 0 || r > utf8.MaxRune || isSurrogate(r):
		return "\uFFFD"
	case r == '\t' || r == '\n' || r == '\f' || r == '\r':
		return string(r)
	case r < ' ' || r == 0x7F || isNonCharacter(r):
		return ""
	}
	return string(r)
}

func isSurrogate(r rune) bool { return r >= 0xD800 && r <= 0xDFFF }

func isNonCharacter(r rune) bool {
	return r >= 0xFDD0 && r <= 0xFDEF || r&0xFFFE == 0xFFFE
}

func isDigit(b byte, base int) bool {
	return b >= '0' && b <= '9' || base == 16 && (b|0x20 >= 'a' && b|0x20 <= 'f')
}

func isASCIIAlphanumeric(b byte) bool { return isDecimalDigit(rune(b)) || isASCIILetter(b) }

func isASCIILetter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

func isDecimalDigit(r rune) bool { return r >= '0' && r <= '9' }
