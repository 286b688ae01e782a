package dataset

import (
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Tokenizer turns captions into ids of a vocabulary. It holds no state between calls, so goroutines may share it.
type Tokenizer struct {
	vocabulary *Vocabulary
	context    int
}

// NewTokenizer returns a tokenizer whose encodings are context ids long. CLIP's context is 77; at least 2 are needed for
// the control tokens.
func NewTokenizer(v *Vocabulary, context int) *Tokenizer {
	if context < controlTokens {
		panic(fmt.Sprintf("dataset: a context of %d ids has no room for %d control tokens", context, controlTokens))
	}
	return &Tokenizer{v, context}
}

// Size returns the number of ids of the vocabulary.
func (t *Tokenizer) Size() int { return t.vocabulary.Size() }

// Context returns the length of every encoding.
func (t *Tokenizer) Context() int { return t.context }

// Encode returns exactly Context ids: the start token, the caption's tokens, the end token, zeros. A longer caption is cut
// so that the end token comes last. Any bytes are a caption; text that looks like a control token is ordinary text
// (tcl-spec section 1, and section 9 on where the reference differs).
func (t *Tokenizer) Encode(caption string) []int32 {
	ids := make([]int32, 1, t.context)
	ids[0] = t.vocabulary.startOfText()
	last := t.context - 1
	for word := range captionWords(CleanCaption(caption)) {
		tokens := t.vocabulary.mergeWord(word)
		ids = append(ids, tokens[:min(len(tokens), last-len(ids))]...)
		if len(ids) == last {
			break
		}
	}
	ids = append(ids, t.vocabulary.endOfText())
	return ids[:t.context]
}

// contractions are words of their own, as in OpenAI's regular expression. It ignores case, so the long s counts as an s.
var contractions = []string{"'s", "'ſ", "'t", "'re", "'ve", "'m", "'ll", "'d"}

// captionWords splits a clean caption as OpenAI's regular expression does: contractions, runs of letters, single numbers,
// runs of anything else that is no space.
func captionWords(caption string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for caption != "" {
			n := wordLength(caption)
			if n == 0 {
				caption = caption[skipLength(caption):]
				continue
			}
			if !yield(caption[:n]) {
				return
			}
			caption = caption[n:]
		}
	}
}

// wordLength returns the bytes of the word that s begins with, 0 if it begins with none.
func wordLength(s string) int {
	for _, c := range contractions {
		if strings.HasPrefix(s, c) {
			return len(c)
		}
	}
	first, size := utf8.DecodeRuneInString(s)
	switch kind := kindOfRune(first); kind {
	case kindBetween:
		return 0
	case kindNumber:
		return size
	default:
		return runLength(s, kind)
	}
}

func runLength(s string, kind runeKind) int {
	for i, r := range s {
		if kindOfRune(r) != kind {
			return i
		}
	}
	return len(s)
}

func skipLength(s string) int {
	_, size := utf8.DecodeRuneInString(s)
	return size
}

type runeKind int

const (
	kindSymbol runeKind = iota
	kindLetter
	kindNumber
	kindBetween // belongs to no word
)

// combiningIota is the one character whose other case (a letter) is of another kind: in a regular expression that ignores
// case it belongs to neither.
const combiningIota = '\u0345'

func kindOfRune(r rune) runeKind {
	switch {
	case unicode.IsLetter(r):
		return kindLetter
	case unicode.IsNumber(r):
		return kindNumber
	case unicode.IsSpace(r) || r == combiningIota:
		return kindBetween
	default:
		return kindSymbol
	}
}
