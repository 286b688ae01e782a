package ftfy

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// maxLayers bounds how often one text is taken for mojibake; three layers have been seen in the wild.
const maxLayers = 8

// fixEncoding undoes mojibake, layer by layer, until the text looks real or nothing helps.
func fixEncoding(s string, layers int) string {
	for ; layers > 0; layers-- {
		fixed := peelLayer(s, layers)
		if fixed == s {
			break
		}
		s = fixed
	}
	return s
}

// peelLayer tries, if s looks broken: to read all of it as UTF-8 that was misread in one encoding; to do so for the parts
// that look like it; to read control characters as Windows-1252.
func peelLayer(s string, layers int) string {
	if isASCII(s) || !looksBroken(s) {
		return s
	}
	for _, e := range misreadings {
		if fixed, ok := rereadAsUTF8(s, e); ok {
			return fixed
		}
	}
	if fixed := fixParts(s, layers); fixed != s {
		return fixed
	}
	return fixC1Controls(s)
}

// rereadAsUTF8 takes s back to the bytes that e turned into it and reads those as UTF-8, if that is possible.
func rereadAsUTF8(s string, e *encoding) (string, bool) {
	b, ok := e.encode(s)
	if !ok {
		return "", false
	}
	if e != macRoman { // in which an en dash and a space would look like a damaged letter
		b = restoreSpaces(b)
	}
	if e.lossy {
		b = replaceMatches(b, lossyUTF8, func([]byte) []byte { return []byte("\uFFFD") })
	}
	b = joinSurrogates(b)
	return string(b), utf8.Valid(b)
}

var (
	continuation      = byteRange{0x80, 0xBF}
	spaceByte         = byteSet{{' ', ' '}}
	lost              = byteSet{{lostByte, lostByte}, {'?', '?'}}
	lostOrNot         = byteSet{{lostByte, lostByte}, continuation}
	lostOrMissing     = byteSet{{lostByte, lostByte}, {'?', '?'}, continuation}
	anyContinuation   = byteSet{continuation}
	clearContinuation = byteSet{{0x80, 0x84}, {0x86, 0x9F}, {0xA1, 0xBF}} // but not what an ellipsis or a space becomes
)

// spacedUTF8 are the sequences that would be UTF-8 if a space were byte A0, a non-breaking space: some programs take the
// one for the other. Lead bytes are left out where the result would be an unlikely letter.
var spacedUTF8 = []bytePattern{
	{{{0xC2, 0xC3}, {0xC5, 0xC5}, {0xCE, 0xCE}, {0xD0, 0xD0}, {0xD9, 0xD9}}, spaceByte},
	{{{0xE2, 0xE3}}, spaceByte, clearContinuation},
	{{{0xE0, 0xE3}}, clearContinuation, spaceByte},
	{{{0xF0, 0xF0}}, spaceByte, anyContinuation, anyContinuation},
	{{{0xF0, 0xF0}}, anyContinuation, spaceByte, anyContinuation},
	{{{0xF0, 0xF0}}, anyContinuation, anyContinuation, spaceByte},
}

// restoreSpaces puts byte A0 back where it makes UTF-8.
func restoreSpaces(b []byte) []byte {
	b = separateGraveA(b)
	return replaceMatches(b, spacedUTF8, func(match []byte) []byte {
		return bytes.ReplaceAll(match, []byte{' '}, []byte{0xA0})
	})
}

// separateGraveA keeps the space behind "à", which is mostly a word of its own ("à la mode"), except where a Portuguese
// word goes on ("às", "àquele").
func separateGraveA(b []byte) []byte {
	var out []byte
	for {
		before, after, found := bytes.Cut(b, []byte("\xC3 "))
		out = append(out, before...)
		if !found {
			return out
		}
		out = append(out, "\xC3"...)
		if !beginsWithAny(after, " ", "quele", "quela", "quilo", "s ") {
			out = append(out, 0xA0)
		}
		out = append(out, ' ')
		b = after
	}
}

func beginsWithAny(b []byte, prefixes ...string) bool {
	for _, p := range prefixes {
		if bytes.HasPrefix(b, []byte(p)) {
			return true
		}
	}
	return false
}

// lossyUTF8 are the sequences of UTF-8 and CESU-8 in which bytes were lost; at most one of them may have become "?".
var lossyUTF8 = []bytePattern{
	{{{0xC2, 0xDF}}, {{lostByte, lostByte}}},
	{{{0xC2, 0xC3}}, {{'?', '?'}}},
	{{{0xED, 0xED}}, {{0xA0, 0xAF}}, lost, {{0xED, 0xED}}, {{0xB0, 0xBF}}, lostOrMissing},
	{{{0xED, 0xED}}, {{0xA0, 0xAF}}, lostOrMissing, {{0xED, 0xED}}, {{0xB0, 0xBF}}, lost},
	{{{0xE0, 0xEF}}, lost, lostOrNot},
	{{{0xE0, 0xEF}}, lostOrNot, lost},
	{{{0xF0, 0xF4}}, lost, lostOrNot, lostOrNot},
	{{{0xF0, 0xF4}}, lostOrNot, lost, lostOrNot},
	{{{0xF0, 0xF4}}, lostOrNot, lostOrNot, lost},
	{{{lostByte, lostByte}}},
}

// fixParts repairs the stretches of s that look like UTF-8 misread in some encoding, each on its own: texts of different
// history get joined.
func fixParts(s string, layers int) string {
	var out strings.Builder
	var before rune
	for i := 0; i < len(s); {
		n := 0
		if !strictContinuations[before] {
			n = misreadLength(s[i:])
		}
		if n == 0 {
			r, size := utf8.DecodeRuneInString(s[i:])
			out.WriteString(s[i : i+size])
			before, i = r, i+size
			continue
		}
		part := s[i : i+n]
		before, _ = utf8.DecodeLastRuneInString(part)
		i += n
		if n < len(s) && looksBroken(part) {
			part = fixEncoding(part, layers-1)
		}
		out.WriteString(part)
	}
	return out.String()
}

type runeSet map[rune]bool

// Which characters the bytes of UTF-8 become in the Windows encodings and in Latin-1. A space may have been byte A0.
// Strict continuations are those that do not also stand next to mojibake in their own right, as dashes and quotes do.
var (
	leadsOfTwo          = misreadBytes(0xC2, 0xDF)
	leadsOfThree        = misreadBytes(0xE0, 0xEF)
	leadsOfFour         = misreadBytes(0xF0, 0xF0).with(misreadBytes(0xF3, 0xF3)) // others lead to unassigned characters
	continuations       = misreadBytes(0x80, 0xBF).with(runeSet{' ': true})
	strictContinuations = misreadBytes(0x80, 0xBF).without("–—―‘’‚“”„•…")
)

func misreadBytes(low, high int) runeSet {
	set := runeSet{}
	for _, e := range []*encoding{latin1, windows1250, windows1251, windows1252, windows1253, windows1254, windows1257} {
		for b := low; b <= high; b++ {
			set[e.decode(byte(b))] = true
		}
	}
	return set
}

func (s runeSet) with(other runeSet) runeSet {
	for r := range other {
		s[r] = true
	}
	return s
}

func (s runeSet) without(list string) runeSet {
	for _, r := range list {
		delete(s, r)
	}
	return s
}

// misreadLength returns the bytes of s up to where it stops looking like misread UTF-8.
func misreadLength(s string) int {
	length := 0
	for {
		n := misreadCharacterLength(s[length:])
		if n == 0 {
			return length
		}
		length += n
	}
}

func misreadCharacterLength(s string) int {
	lead, size := utf8.DecodeRuneInString(s)
	for _, form := range []struct {
		leads  runeSet
		follow int
	}{{leadsOfTwo, 1}, {leadsOfThree, 2}, {leadsOfFour, 3}} {
		if form.leads[lead] {
			if n := continuationsLength(s[size:], form.follow); n > 0 {
				return size + n
			}
		}
	}
	return 0
}

// continuationsLength returns the bytes of the next count characters if all of them are continuations, or 0.
func continuationsLength(s string, count int) int {
	length := 0
	for range count {
		r, size := utf8.DecodeRuneInString(s[length:])
		if !continuations[r] {
			return 0
		}
		length += size
	}
	return length
}
