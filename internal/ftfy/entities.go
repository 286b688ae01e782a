package ftfy

import (
	"html"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// longestEntity is the most letters and digits between "&" and ";" that are looked at.
const longestEntity = 24

// unescapeEntities replaces the references that cannot mean anything else: those which end in a semicolon. Names that some
// database has turned into capitals ("P&EACUTE;REZ") count too.
func unescapeEntities(s string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "&")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name := entityName(after)
		text, ok := meaningOfEntity(name)
		if !ok {
			out.WriteByte('&')
			s = after
			continue
		}
		out.WriteString(text)
		s = after[len(name)+1:]
	}
}

// entityName returns the name that s begins with and a semicolon ends, or "".
func entityName(s string) string {
	name, _, found := strings.Cut(s[:min(len(s), longestEntity+2)], ";")
	digits := strings.TrimPrefix(name, "#")
	if !found || digits == "" || len(digits) > longestEntity {
		return ""
	}
	for i := range len(digits) {
		if !isASCIIAlphanumeric(digits[i]) {
			return ""
		}
	}
	return name
}

func meaningOfEntity(name string) (string, bool) {
	if name == "" {
		return "", false
	}
	escaped := "&" + name + ";"
	if name[0] == '#' {
		text := UnescapeHTML(escaped)
		return text, !strings.Contains(text, ";")
	}
	if text, ok := exactEntity(escaped); ok {
		return text, true
	}
	if name != strings.ToUpper(name) || html.UnescapeString(escaped) != escaped {
		return "", false
	}
	text, ok := exactEntity(strings.ToLower(escaped))
	return cases.Upper(language.Und).String(text), ok
}

// exactEntity unescapes a reference if the whole of it is one; [html.UnescapeString] alone also takes beginnings.
func exactEntity(escaped string) (string, bool) {
	text := html.UnescapeString(escaped)
	return text, text == ";" || !strings.HasSuffix(text, ";")
}
