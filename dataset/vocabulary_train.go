package dataset

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// TrainVocabulary learns byte-pair merges on captions and returns a file that [OpenVocabulary] reads, of at most size
// ids: 512 byte units, the merges and the two control tokens. It returns fewer where no pair is left that occurs twice.
//
// The captions are cleaned and split as [Tokenizer.Encode] does. Of equally frequent pairs the one with the smaller ids
// merges first, so the same captions in any order give the same bytes.
func TrainVocabulary(captions iter.Seq[string], size int) []byte {
	c := newPairCounts(countWords(captions))
	wanted := min(size-byteUnits-controlTokens, clipMerges)
	var lines strings.Builder
	merges := 0
	for ; merges < wanted; merges++ {
		best, ok := c.mostFrequent()
		if !ok {
			break
		}
		fmt.Fprintf(&lines, "%s %s\n", c.symbols[best.left], c.symbols[best.right])
		c.merge(best)
	}
	return fmt.Appendf(nil, "%s%s%d\n%s", vocabularyVersion, vocabularyCount, merges, lines.String())
}

// countedWord is one distinct word of the captions, as the ids it consists of so far.
type countedWord struct {
	ids   []int32
	count int
}

// countWords returns the distinct words in the order of their bytes.
func countWords(captions iter.Seq[string]) []countedWord {
	counts := map[string]int{}
	for caption := range captions {
		for word := range captionWords(CleanCaption(caption)) {
			counts[word]++
		}
	}
	var counted []countedWord
	for _, word := range slices.Sorted(maps.Keys(counts)) {
		counted = append(counted, countedWord{wordUnits(word), counts[word]})
	}
	return counted
}

// pairCounts keeps how often each pair of neighbours occurs, and in which words, while pairs are merged away.
type pairCounts struct {
	words   []countedWord
	counts  map[idPair]int
	places  map[idPair]map[int]bool // the words that contain the pair
	symbols []string                // by id, as the file writes them
	spelt   map[string]bool         // the symbols as a set
}

func newPairCounts(words []countedWord) *pairCounts {
	c := &pairCounts{words: words, counts: map[idPair]int{}, places: map[idPair]map[int]bool{}, spelt: map[string]bool{}}
	for i := range 256 {
		c.symbols = append(c.symbols, unitSymbol(i))
	}
	for i := range 256 {
		c.symbols = append(c.symbols, unitSymbol(i)+endOfWord)
	}
	for i := range words {
		c.addWord(i)
	}
	return c
}

func (c *pairCounts) addWord(i int) {
	for key := range neighbourIDs(c.words[i].ids) {
		c.counts[key] += c.words[i].count
		if c.places[key] == nil {
			c.places[key] = map[int]bool{}
		}
		c.places[key][i] = true
	}
}

func (c *pairCounts) removeWord(i int) {
	for key := range neighbourIDs(c.words[i].ids) {
		c.counts[key] -= c.words[i].count
		delete(c.places[key], i)
		if c.counts[key] == 0 {
			delete(c.counts, key)
			delete(c.places, key)
		}
	}
}

func neighbourIDs(ids []int32) iter.Seq[idPair] {
	return func(yield func(idPair) bool) {
		for j := 1; j < len(ids); j++ {
			if !yield(idPair{ids[j-1], ids[j]}) {
				return
			}
		}
	}
}

// mostFrequent returns the pair to merge next, and false when no pair occurs twice. Two pairs can spell one product
// ("ab c" and "a bc"); only the first becomes a merge, since the file must not list a product twice.
func (c *pairCounts) mostFrequent() (best idPair, ok bool) {
	most := 0
	for key, count := range c.counts {
		better := count > most || count == most && comparePairs(key, best) < 0
		if count >= 2 && better && !c.spelt[c.symbols[key.left]+c.symbols[key.right]] {
			best, most = key, count
		}
	}
	return best, most > 0
}

func comparePairs(a, b idPair) int {
	return cmp.Or(cmp.Compare(a.left, b.left), cmp.Compare(a.right, b.right))
}

// merge replaces every occurrence of a pair by the next id.
func (c *pairCounts) merge(key idPair) {
	id := int32(len(c.symbols))
	product := c.symbols[key.left] + c.symbols[key.right]
	c.symbols = append(c.symbols, product)
	c.spelt[product] = true
	for _, i := range slices.Collect(maps.Keys(c.places[key])) {
		c.removeWord(i)
		c.words[i].ids = replacePair(c.words[i].ids, key, id)
		c.addWord(i)
	}
}

func replacePair(ids []int32, key idPair, id int32) []int32 {
	kept := ids[:0]
	for j := 0; j < len(ids); j++ {
		if j+1 < len(ids) && (idPair{ids[j], ids[j+1]}) == key {
			kept = append(kept, id)
			j++
		} else {
			kept = append(kept, ids[j])
		}
	}
	return kept
}
