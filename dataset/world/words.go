package world

import (
	"strings"

	"github.com/textground/textground/internal/philox"
)

// Nouns are the things of the world. A mask holds 1 + the place of the noun in this list; 0 is background.
var Nouns = []string{
	"fish", "house", "tree", "boat", "sun", "star", "moon", "heart",
	"flower", "mushroom", "umbrella", "car", "rocket", "balloon", "cat", "butterfly",
}

// Colours are the colour words, in the order of their paints.
var Colours = []string{"red", "orange", "yellow", "green", "blue", "purple", "pink", "white"}

// Textures are the texture words; plain is never said.
var Textures = []string{"plain", "striped", "spotted", "checked"}

// EvalTemplates are the sentences whose embeddings are averaged for the name of a class; {} stands for noun and article.
var EvalTemplates = []string{"a photo of {}", "a picture of {}", "a drawing of {}", "an image of {}", "here is {}", "{}"}

var (
	prefixes = []string{"a photo of", "a picture of", "a drawing of", "an image of", "here is", ""}
	joins    = []string{"and", "with", "next to", "near"}

	// typical holds the colour that a noun mostly has, in the order of Nouns.
	typical = []string{
		"orange", "red", "green", "blue", "yellow", "yellow", "white", "pink",
		"purple", "red", "purple", "blue", "white", "pink", "orange", "green",
	}
)

// WithArticle puts "a" or "an" before a phrase.
func WithArticle(phrase string) string {
	if strings.ContainsRune("aeiou", rune(phrase[0])) {
		return "an " + phrase
	}
	return "a " + phrase
}

// Prompts returns the evaluation sentences of a noun.
func Prompts(noun string) []string {
	out := make([]string, len(EvalTemplates))
	for i, template := range EvalTemplates {
		out[i] = strings.Replace(template, "{}", WithArticle(noun), 1)
	}
	return out
}

// caption names the objects in the given order: [prefix] phrase [join phrase].
func caption(r *philox.Stream, named []object) string {
	prefix, join := pick(r, prefixes), pick(r, joins)
	var phrases []string
	for _, o := range named {
		phrases = append(phrases, phrase(r, o))
	}
	return strings.TrimSpace(prefix + " " + strings.Join(phrases, " "+join+" "))
}

// phrase says an object with its texture and colour, each left out three times in ten.
func phrase(r *philox.Stream, o object) string {
	var words []string
	if o.texture != "plain" && r.Chance(0.7) {
		words = append(words, o.texture)
	}
	if r.Chance(0.7) {
		words = append(words, Colours[o.colour])
	}
	return WithArticle(strings.Join(append(words, Nouns[o.noun]), " "))
}

func pick(r *philox.Stream, from []string) string { return from[r.Intn(len(from))] }
