package ftfy

import "strings"

// maxRounds bounds how often the repairs are repeated on a text that keeps changing, such as "&amp;amp;amp;…", so that the
// cost stays proportional to the length. Real text settles in two or three rounds.
const maxRounds = 16

// FixText repairs text line by line. It takes any bytes and returns valid UTF-8.
//
// A literal "<" is taken as a sign of real HTML: from that line on, entities are left as they are.
func FixText(s string) string {
	s = fixSurrogates(s)
	entities := true
	var out strings.Builder
	for line := range strings.Lines(s) {
		entities = entities && !strings.Contains(line, "<")
		out.WriteString(fixLine(line, entities))
	}
	return out.String()
}

// fixLine repeats all repairs until none changes the line: one repair can uncover work for another.
func fixLine(line string, entities bool) string {
	for range maxRounds {
		before := line
		if entities {
			line = unescapeEntities(line)
		}
		line = fixEncoding(line, maxLayers)
		line = replaceCharacters(fixC1Controls(line))
		line = removeTerminalEscapes(fixLineBreaks(line))
		line = composeCharacters(removeControls(line))
		if line == before {
			break
		}
	}
	return line
}
