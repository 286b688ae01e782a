package ftfy

import "golang.org/x/text/unicode/norm"

// composeCharacters puts a text into Unicode's normal form C.
func composeCharacters(s string) string { return norm.NFC.String(s) }
