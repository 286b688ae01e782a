package ftfy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// replacements are the characters that never mean more than their plain spelling: curly quotes, Latin ligatures and
// digraphs, full-width and half-width forms, the ideographic space.
var replacements = func() map[rune]string {
	table := map[rune]string{
		'\u02BC': "'", '\u2018': "'", '\u2019': "'", '\u201A': "'", '\u201B': "'",
		'\u201C': `"`, '\u201D': `"`, '\u201E': `"`, '\u201F': `"`,
		'Ĳ': "IJ", 'ĳ': "ij", 'ŉ': "ʼn",
		'Ǳ': "DZ", 'ǲ': "Dz", 'ǳ': "dz", 'Ǆ': "DŽ", 'ǅ': "Dž", 'ǆ': "dž",
		'Ǉ': "LJ", 'ǈ': "Lj", 'ǉ': "lj", 'Ǌ': "NJ", 'ǋ': "Nj", 'ǌ': "nj",
		'ﬀ': "ff", 'ﬁ': "fi", 'ﬂ': "fl", 'ﬃ': "ffi", 'ﬄ': "ffl", 'ﬅ': "ſt", 'ﬆ': "st",
		'\u3000': " ",
	}
	for r := rune(0xFF01); r < 0xFFF0; r++ {
		if plain := norm.NFKC.String(string(r)); plain != string(r) {
			table[r] = plain
		}
	}
	return table
}()

func replaceCharacters(s string) string {
	return mapNonASCII(s, func(r rune) string {
		if plain, ok := replacements[r]; ok {
			return plain
		}
		return string(r)
	})
}

// mapNonASCII rewrites s character by character; ASCII stays, and so does a string of nothing else.
func mapNonASCII(s string, rewrite func(rune) string) string {
	if isASCII(s) {
		return s
	}
	var out strings.Builder
	out.Grow(len(s))
	for _, r := range s {
		if r < utf8.RuneSelf {
			out.WriteByte(byte(r))
		} else {
			out.WriteString(rewrite(r))
		}
	}
	return out.String()
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// fixC1Controls reads the control characters U+0080 to U+009F, which nobody means, as Windows-1252.
func fixC1Controls(s string) string {
	return mapNonASCII(s, func(r rune) string {
		if r >= 0x80 && r <= 0x9F {
			r = windows1252.decode(byte(r))
		}
		return string(r)
	})
}

var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\u0085", "\n")

func fixLineBreaks(s string) string { return lineBreaks.Replace(s) }

// removeTerminalEscapes drops the sequences that colour a terminal: ESC [ digits and semicolons, a letter.
func removeTerminalEscapes(s string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b[")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		end := strings.IndexFunc(after, func(r rune) bool { return r != ';' && !unicode.IsDigit(r) })
		if end >= 0 && isASCIILetter(after[end]) {
			s = after[end+1:]
		} else {
			out.WriteString("\x1b[")
			s = after
		}
	}
}

// removeControls drops characters that show nothing: ASCII controls other than white space, the deprecated Arabic
// controls, interlinear annotation marks, the object replacement character and the byte order mark.
func removeControls(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < 0x09, r == 0x0B, r >= 0x0E && r < 0x20, r == 0x7F,
			r >= 0x206A && r <= 0x206F, r == 0xFEFF, r >= 0xFFF9 && r <= 0xFFFC:
			return -1
		}
		return r
	}, s)
}

// fixSurrogates joins pairs of UTF-16 surrogates that were written one by one as if they were characters, and replaces
// all other bytes that are no UTF-8.
func fixSurrogates(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(string(joinSurrogates([]byte(s))), "\uFFFD")
}
