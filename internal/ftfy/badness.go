package ftfy

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// class is a set of kinds that a character belongs to.
type class uint32

// The kinds of characters in which mojibake shows: those that UTF-8's bytes become when read in another encoding.
const (
	common           class = 1 << iota // at home everywhere
	c1                                 // control characters of Latin-1, at home nowhere
	bad                                // hardly ever meant
	law                                // paragraph signs
	currency                           //
	startPunctuation                   // opens a word
	endPunctuation                     // closes one
	numeric                            // mathematics and fractions
	kaomoji                            // letters of which faces are made
	upperAccented                      //
	lowerAccented                      //
	upperCommon                        // Greek and Cyrillic, which also begin and end words
	lowerCommon                        //
	box                                // frames and blocks of DOS
	asciiLower                         //
	asciiUpper                         //
	space                              //
	word                               // letters, numbers, underscore

	accented    = upperAccented | lowerAccented
	asciiLetter = asciiLower | asciiUpper
	punctuation = startPunctuation | endPunctuation

	suspect = box<<1 - 1 // any of the kinds above asciiLower
)

// members lists the kinds that are written out; "-" between two characters stands for all between them.
var members = map[class]string{
	common:           "\u00A0\u00AD·´–—―…’",
	c1:               "\u0080-\u009F",
	bad:              "¦¤¨¬¯¸ªºƒˆˇ˘˛˜†‡‰⌐◊\uFFFD",
	law:              "¶§",
	currency:         "¢£¥₧€",
	startPunctuation: "¡«¿©΄΅‘‚“„•‹\uF8FF",
	endPunctuation:   "®»˝”›™",
	numeric:          "²³¹±¼½¾×µ÷⁄∂∆∏∑√∞∩∫≈≠≡≤≥№",
	kaomoji:          "Ò-ÖÙ-Üò-öø-üŐŌŪŲ°",
	upperAccented:    "À-ÑØÜÝĂĀĄĆČĎĐĘĚĒĖĞĢİĪĶĹĽŁĻŃŇŅŒŘŚŞŠŢŤŮŰŸŹŻŽҐ",
	lowerAccented:    "ßà-ñăąāćčďđęěēėğģįīķĺľłļœŕśşšťüźżžґﬁﬂ",
	upperCommon:      "ÞΑ-ΩΆΈΉΊΌΎΏΪΫЁ-Я",
	lowerCommon:      "α-ωάέήίΰа-џ",
	box:              "│┌┐┘├┤┬┼═-╬▀▄█▌▐░▒▓",
}

var classes = func() map[rune]class {
	table := map[rune]class{}
	for kind, list := range members {
		for _, r := range expandRanges(list) {
			table[r] |= kind
		}
	}
	return table
}()

func expandRanges(list string) (all []rune) {
	runes := []rune(list)
	for i := 0; i < len(runes); i++ {
		last := runes[i]
		if i+2 < len(runes) && runes[i+1] == '-' {
			last = runes[i+2]
		}
		for r := runes[i]; r <= last; r++ {
			all = append(all, r)
		}
		if last != runes[i] {
			i += 2
		}
	}
	return all
}

func classOf(r rune) (c class) {
	if r >= utf8.RuneSelf {
		c = classes[r]
	}
	switch {
	case r >= 'a' && r <= 'z':
		c |= asciiLower
	case r >= 'A' && r <= 'Z':
		c |= asciiUpper
	case unicode.IsSpace(r) || r >= 0x1C && r <= 0x1F:
		c |= space
	}
	if r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) {
		c |= word
	}
	return c
}

// charSet is one place of a rule: a character of the kinds, or one that is listed.
type charSet struct {
	kinds  class
	also   string
	except bool // the set is all characters but these
}

func (s charSet) has(r rune, c class) bool {
	return (c&s.kinds != 0 || strings.ContainsRune(s.also, r)) != s.except
}

// of, and one, and but make the places of a rule.
func of(kinds class, also ...string) charSet {
	return charSet{kinds: kinds, also: strings.Join(also, "")}
}
func one(also string) charSet              { return charSet{also: also} }
func but(kinds class, also string) charSet { return charSet{kinds, also, true} }

// spelt is a rule of single characters.
func spelt(s string) (rule []charSet) {
	for _, r := range s {
		rule = append(rule, one(string(r)))
	}
	return rule
}

const (
	signs     = currency | numeric | law
	anywhere  = accented | box | punctuation | signs
	arabicEnd = "ŸŠ®°µ»"
)

// badRules are the neighbours that real text hardly has. Each rule needs a suspect character within its first three places.
var badRules = [][]charSet{
	{of(c1)},
	{of(anywhere | bad), of(bad)},
	{of(bad), of(anywhere)},
	{of(asciiLetter), of(lowerCommon | upperCommon), of(bad)},
	{of(lowerAccented | lowerCommon | box | endPunctuation | currency | numeric), of(upperAccented)},
	{of(box | endPunctuation | currency | numeric), of(lowerAccented)},
	{of(lowerAccented | box | endPunctuation), of(currency)},
	{of(space), of(upperAccented), of(currency)},
	{of(upperAccented | box), of(numeric | law)},
	{of(accented | box | currency | endPunctuation), of(startPunctuation), of(numeric)},
	{of(accented | signs | box), of(endPunctuation), of(startPunctuation)},
	{of(currency | numeric | box), of(startPunctuation)},
	{of(asciiLower), of(upperAccented), of(startPunctuation | currency)},
	{of(box), of(kaomoji | endPunctuation)},
	{of(accented | signs | punctuation), of(box)},
	{of(accented), of(punctuation), of(word)},
	{one("Œœ"), but(asciiLetter, "")},
	{of(upperAccented), one("°")},

	// Windows-1252: Latin, Greek, Cyrillic; then Arabic, of which two characters are asked; then South Asian scripts.
	{one("ÂÃÎÐ"), of(punctuation, "€œŠš¢£Ÿž\u00A0\u00AD®©°·»–—´")},
	{one("×"), one("²³")},
	{
		one("ØÙ"), of(common|currency|bad|numeric|startPunctuation, arabicEnd),
		one("ØÙ"), of(common|currency|bad|numeric|startPunctuation, arabicEnd),
	},
	{one("à"), one("²µ¹¼½¾")},

	// Mac Roman
	{one("√"), one("±∂†≠®™´≤≥¥µø")},
	{one("≈"), one("°¢")},
	{one("‚"), one("Ä"), one("ìîïòôúùû†°¢π")},
	{one("‚"), one("âó"), one("àä°ê")},

	// Windows-1251: punctuation; Latin or Cyrillic; what Windows-1252 made of punctuation, misread again
	spelt("вЂ"),
	{one("ВГРС"), of(c1|bad|punctuation|currency, "°µ"), one("ВГРС")},
	slices.Concat(spelt("ГўВЂВ"), []charSet{but(0, "\n"), of(asciiLetter, " ")}),

	// à and á, and Â before a character that it doubles
	{one("Ã"), one("\u00A0¡")},
	{of(asciiLower), one("ÃÂ"), one(" ")},
	{of(asciiLower), of(space), one("ÃÂ"), one(" ")},
	{of(asciiLower|endPunctuation, ".,?!"), one("Â"), of(punctuation, " ")},

	// Windows-1253: punctuation; Latin or Greek. Windows-1257: punctuation
	{one("β"), one("€"), one("™\u00A0Ά\u00AD®°")},
	{one("ΒΓΞΟ"), of(c1|bad|punctuation|currency, "°"), one("ΒΓΞΟ")},
	spelt("ā€"),
}

// looksBroken reports whether s has neighbours that are a sign of mojibake.
func looksBroken(s string) bool {
	if strings.HasPrefix(s, "Ã ") || strings.HasPrefix(s, "Â ") {
		return true
	}
	runes := []rune(s)
	kinds := make([]class, len(runes))
	for i, r := range runes {
		kinds[i] = classOf(r)
	}
	for i := range runes {
		if near := kinds[i:min(i+3, len(kinds))]; hasSuspect(near) && breaksRule(runes[i:], kinds[i:]) {
			return true
		}
	}
	return false
}

func hasSuspect(kinds []class) bool {
	for _, c := range kinds {
		if c&suspect != 0 {
			return true
		}
	}
	return false
}

func breaksRule(runes []rune, kinds []class) bool {
	for _, rule := range badRules {
		if matchesRule(rule, runes, kinds) {
			return true
		}
	}
	return false
}

func matchesRule(rule []charSet, runes []rune, kinds []class) bool {
	if len(rule) > len(runes) {
		return false
	}
	for i, set := range rule {
		if !set.has(runes[i], kinds[i]) {
			return false
		}
	}
	return true
}
