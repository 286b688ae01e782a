package ingest

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// cleanCaption makes a caption one safe line of at most maxBytes: valid UTF-8, without control characters and marks that
// turn the direction of writing, white space collapsed, at most four combining marks in a row. Words stay as they are: what
// a tokenizer wants is done at training.
func cleanCaption(s string, maxBytes int) string {
	const marksInARow = 4
	s = strings.ToValidUTF8(s, "\uFFFD")
	var b strings.Builder
	space, marks := false, 0
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space, marks = true, 0
			continue
		case unicode.IsControl(r) || isBidiControl(r):
			continue
		case unicode.Is(unicode.M, r):
			if marks++; marks > marksInARow {
				continue
			}
		default:
			marks = 0
		}
		need := utf8.RuneLen(r)
		if space && b.Len() > 0 {
			need++
		}
		if b.Len()+need > maxBytes {
			break
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}

func isBidiControl(r rune) bool {
	return r == '\u061c' || r == '\u200e' || r == '\u200f' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
