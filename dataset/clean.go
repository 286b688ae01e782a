package dataset

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"

	"github.com/textground/textground/internal/ftfy"
)

// captionBytes bounds what is read of a caption: far more than any context holds, so that no caption costs more than a
// fixed time and memory.
const captionBytes = 1 << 20

// CleanCaption prepares a caption for tokenizing as CLIP does: broken text is repaired as ftfy does it, HTML entities are
// unescaped twice, white space is collapsed and trimmed, and letters are lower-cased. It takes any bytes; bytes that are
// no UTF-8 become U+FFFD, and what lies beyond 1 MiB is ignored.
func CleanCaption(s string) string {
	s = strings.ToValidUTF8(cutCaption(s), "\uFFFD")
	s = ftfy.FixText(s)
	s = ftfy.UnescapeHTML(ftfy.UnescapeHTML(s))
	return lowerCase(strings.Join(strings.Fields(s), " "))
}

// cutCaption keeps at most captionBytes of s, whole characters only.
func cutCaption(s string) string {
	if len(s) <= captionBytes {
		return s
	}
	cut := captionBytes
	for cut > captionBytes-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// lowerCase follows Unicode's full mapping (a final sigma, a dotted I), which [strings.ToLower] does not.
func lowerCase(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return cases.Lower(language.Und).String(s)
		}
	}
	return strings.ToLower(s)
}
