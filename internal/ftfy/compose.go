package ftfy

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// safeMarks is how many combining marks may follow one another, each of which decomposes into two at most, before package
// norm would break the run with a character of its own (it limits runs to 30).
const safeMarks = 12

// composeCharacters puts a text into Unicode's normal form C.
func composeCharacters(s string) string {
	if isASCII(s) {
		return s
	}
	var out strings.Builder
	for {
		start, end := longMarkRun(s)
		before := norm.NFC.String(s[:start])
		if start == end {
			out.WriteString(before)
			return out.String()
		}
		_, size := utf8.DecodeLastRuneInString(before)
		out.WriteString(before[:len(before)-size])
		out.WriteString(composeRun(before[len(before)-size:] + s[start:end]))
		s = s[end:]
	}
}

// longMarkRun returns where the first run of more than safeMarks marks starts and ends, or twice the length of s.
func longMarkRun(s string) (start, end int) {
	marks := 0
	for i, r := range s {
		if combiningClass(r) != 0 {
			if marks == 0 {
				start = i
			}
			marks++
			continue
		}
		if marks > safeMarks {
			return start, i
		}
		marks = 0
	}
	if marks > safeMarks {
		return start, len(s)
	}
	return len(s), len(s)
}

// combiningClass is that of the first character that r decomposes into: three Tibetan vowels decompose into two marks.
func combiningClass(r rune) uint8 {
	if r < 0x300 {
		return 0
	}
	return norm.NFD.PropertiesString(string(r)).LeadCCC()
}

// composeRun composes a character and any number of marks behind it, by the definition: decompose, sort the marks by
// class, then let the character take up each mark that nothing of the same class separates from it.
func composeRun(s string) string {
	decomposed := decompose(s)
	first := slices.IndexFunc(decomposed, func(r rune) bool { return combiningClass(r) != 0 })
	marks := decomposed[first:]
	slices.SortStableFunc(marks, func(a, b rune) int { return int(combiningClass(a)) - int(combiningClass(b)) })
	if first == 0 {
		return string(marks)
	}
	base := norm.NFC.String(string(decomposed[:first])) // a syllable of Hangul decomposes into several characters, too
	kept := marks[:0]
	blocked := uint8(0)
	for _, mark := range marks {
		class := combiningClass(mark)
		if joined := norm.NFC.String(base + string(mark)); class != blocked && utf8.RuneCountInString(joined) == 1 {
			base = joined
			continue
		}
		blocked = class
		kept = append(kept, mark)
	}
	return base + string(kept)
}

func decompose(s string) (all []rune) {
	for _, r := range s {
		all = append(all, []rune(norm.NFD.String(string(r)))...)
	}
	return all
}
