package segment

import (
	"fmt"
	"math"
	"strings"

	"gorgonia.org/tensor"

	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/internal/dense"
)

// maxClasses leaves 255 for pixels that are not counted and one label for the background.
const maxClasses = 254

// Classes are the things to look for, ready for use with any image.
type Classes struct {
	Names      []string      // the first name of each
	Embeddings *tensor.Dense // float32 [C, E], each of length 1
}

// ParseClasses reads "cat|kitten, tree": classes apart by commas, names of one class by bars.
func ParseClasses(text string) ([][]string, error) {
	var classes [][]string
	seen := map[string]bool{}
	for i, part := range strings.Split(text, ",") {
		var names []string
		for _, name := range strings.Split(part, "|") {
			name = strings.Join(strings.Fields(name), " ")
			if name == "" {
				return nil, fmt.Errorf("class %d of %q has an empty name; write names apart by commas, such as \"cat|kitten, tree\"", i+1, text)
			}
			if seen[name] {
				return nil, fmt.Errorf("the name %q is in %q twice; leave one out", name, text)
			}
			seen[name] = true
			names = append(names, name)
		}
		classes = append(classes, names)
	}
	if len(classes) > maxClasses {
		return nil, fmt.Errorf("%d classes; label maps hold at most %d", len(classes), maxClasses)
	}
	return classes, nil
}

// WorldClasses are the nouns of the synthetic world, in the order of its labels.
func WorldClasses() [][]string {
	var classes [][]string
	for _, noun := range world.Nouns {
		classes = append(classes, []string{noun})
	}
	return classes
}

// Classes embeds classes of one or more names each: the mean over templates and names of the raw embeddings, then
// normalised (tcl-spec section 8).
func (s *Segmenter) Classes(names [][]string) (*Classes, error) {
	first := make([]string, len(names))
	tokens := make([][][]int32, len(names))
	for i, class := range names {
		if len(class) == 0 {
			return nil, fmt.Errorf("class %d has no name", i+1)
		}
		first[i] = class[0]
		for _, name := range class {
			for _, template := range s.protocol.Templates {
				tokens[i] = append(tokens[i], s.tokenizer.Encode(sentence(template, name)))
			}
		}
	}
	return s.EmbedClasses(first, tokens)
}

// EmbedClasses is Classes for sentences that are tokens already: [C][sentences][context].
func (s *Segmenter) EmbedClasses(names []string, tokens [][][]int32) (*Classes, error) {
	if len(names) == 0 || len(names) > maxClasses {
		return nil, fmt.Errorf("%d classes: give 1 to %d", len(names), maxClasses)
	}
	width := s.model.Config().Vision.Embed
	embeddings := make([]float32, 0, len(names)*width)
	for i, sentences := range tokens {
		raw, err := s.model.EmbedTexts(sentences)
		if err != nil {
			return nil, fmt.Errorf("class %q: %w", names[i], err)
		}
		embeddings = append(embeddings, meanDirection(raw, width)...)
	}
	return &Classes{Names: names, Embeddings: dense.Of(embeddings, len(names), width)}, nil
}

// sentence puts a name into a template.
func sentence(template, name string) string {
	return strings.NewReplacer("{}", name, "{a}", world.WithArticle(name)).Replace(template)
}

// articled turns a template of the world, where {} is a noun with its article, into one of a protocol.
func articled(template string) string { return strings.ReplaceAll(template, "{}", "{a}") }

// meanDirection returns the mean of rows [n, width], of length 1.
func meanDirection(rows []float32, width int) []float32 {
	sums := make([]float64, width)
	for i, v := range rows {
		sums[i%width] += float64(v)
	}
	square := 0.0
	for _, v := range sums {
		square += v * v
	}
	mean := make([]float32, width)
	for i, v := range sums {
		mean[i] = float32(v / max(math.Sqrt(square), 1e-12))
	}
	return mean
}
