package dataset

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// SampleID numbers the samples of an index from 0, through its shards in their order.
type SampleID uint64

// Index says what a data set is: its shards in order, with the digest and the samples of each.
type Index struct {
	Fingerprint string // SHA-256 over the lines of all shards, in hexadecimal: equal fingerprints, equal samples
	Shards      []Shard

	first []int // first[i] is the number of samples before shard i; one more entry holds the sum
}

// Shard is the index's line about one tar file. The columns hold two numbers a sample, the offset and the length of an
// entry's bytes in the file; (0, 0) where the sample has no such entry. A column that no sample uses is absent.
type Shard struct {
	Name    string         `json:"name"`
	Size    int64          `json:"size"`
	SHA256  string         `json:"sha256"`
	Samples int            `json:"samples"`
	Skipped map[string]int `json:"skipped,omitempty"` // entries and samples left out, by reason
	Keys    string         `json:"keys"`              // the samples' keys, one a line
	Images  []uint32       `json:"images"`
	Texts   []uint32       `json:"texts,omitempty"` // captions as plain text
	JSONs   []uint32       `json:"jsons,omitempty"` // objects with a caption field, used where there is no text
	Masks   []uint32       `json:"masks,omitempty"`
}

// span is a stretch of a shard's bytes. No entry begins at 0, where the first header stands.
type span struct{ offset, length uint32 }

func (s *Shard) skip(reason string) {
	if s.Skipped == nil {
		s.Skipped = map[string]int{}
	}
	s.Skipped[reason]++
}

func (s *Shard) append(image, text, json, mask span) {
	s.Images = append(s.Images, image.offset, image.length)
	s.Texts = append(s.Texts, text.offset, text.length)
	s.JSONs = append(s.JSONs, json.offset, json.length)
	s.Masks = append(s.Masks, mask.offset, mask.length)
}

func (s *Shard) dropEmptyColumns() {
	for _, column := range []*[]uint32{&s.Texts, &s.JSONs, &s.Masks} {
		if !slices.ContainsFunc(*column, func(v uint32) bool { return v != 0 }) {
			*column = nil
		}
	}
}

func spanAt(column []uint32, place int) span {
	if column == nil {
		return span{}
	}
	return span{column[2*place], column[2*place+1]}
}

// key returns the key of the sample at place.
func (s *Shard) key(place int) string {
	rest := s.Keys
	for range place {
		_, rest, _ = strings.Cut(rest, "\n")
	}
	key, _, _ := strings.Cut(rest, "\n")
	return key
}

// newIndex numbers the samples of shards and takes their fingerprint.
func newIndex(shards []Shard) *Index {
	ix := &Index{Shards: shards, Fingerprint: fingerprint(shards)}
	ix.number()
	return ix
}

func (ix *Index) number() {
	ix.first = make([]int, len(ix.Shards)+1)
	for i, s := range ix.Shards {
		ix.first[i+1] = ix.first[i] + s.Samples
	}
}

// Samples returns D, the number of samples.
func (ix *Index) Samples() int { return ix.first[len(ix.Shards)] }

// Bytes returns the size of all shards together.
func (ix *Index) Bytes() int64 {
	var sum int64
	for _, s := range ix.Shards {
		sum += s.Size
	}
	return sum
}

// Locate returns the shard of a sample and its place in it. An id that the index does not have is a broken invariant.
func (ix *Index) Locate(id SampleID) (shard, place int) {
	if id >= SampleID(ix.Samples()) {
		panic(fmt.Sprintf("dataset: sample %d of %d", id, ix.Samples()))
	}
	shard = sort.SearchInts(ix.first, int(id)+1) - 1
	return shard, int(id) - ix.first[shard]
}

// ID returns the number of the sample at a place of a shard.
func (ix *Index) ID(shard, place int) SampleID { return SampleID(ix.first[shard] + place) }

// Name says for people where a sample stands: shard and key.
func (ix *Index) Name(id SampleID) string {
	shard, place := ix.Locate(id)
	return fmt.Sprintf("shard %s, sample %q", ix.Shards[shard].Name, ix.Shards[shard].key(place))
}
