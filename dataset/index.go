package dataset

import (
	"encoding/base64"
	"encoding/binary"
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
	Crawl       *Crawl // of a data set that was crawled from a list; nil elsewhere

	// CaptionField is the field of a sample's JSON object that has its caption, where it was named; it is part of the fingerprint.
	CaptionField string

	first []int // first[i] is the number of samples before shard i; one more entry holds the sum
}

// Crawl says how much of a list of URLs a data set holds. It is part of the fingerprint, so that a run records it.
type Crawl struct {
	Answered int `json:"answered"` // URLs that gave a usable image
	Asked    int `json:"asked"`    // URLs in the list
}

// Shard is the index's line about one tar file. A column that no sample uses is absent.
type Shard struct {
	Name    string         `json:"name"`
	Size    int64          `json:"size"`
	SHA256  string         `json:"sha256"`
	Samples int            `json:"samples"`
	Skipped map[string]int `json:"skipped,omitempty"` // entries and samples left out, by reason
	Keys    string         `json:"keys"`              // the samples' keys, one a line
	Images  Column         `json:"images"`
	Texts   Column         `json:"texts,omitempty"` // captions as plain text
	JSONs   Column         `json:"jsons,omitempty"` // objects with a caption field, used where there is no text
	Masks   Column         `json:"masks,omitempty"`
}

// Column holds two numbers a sample, the offset and the length of an entry's bytes in the file; (0, 0) where the sample has
// no such entry. In JSON it is the base64 of its numbers as little-endian uint32: an index of fifteen million samples is
// read in seconds that way, and numpy.frombuffer reads it too.
type Column []uint32

// MarshalText writes the column as base64.
func (c Column) MarshalText() ([]byte, error) {
	raw := make([]byte, 0, 4*len(c))
	for _, v := range c {
		raw = binary.LittleEndian.AppendUint32(raw, v)
	}
	return base64.StdEncoding.AppendEncode(nil, raw), nil
}

// UnmarshalText reads what MarshalText writes.
func (c *Column) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("a column: %w", err)
	}
	if len(raw)%8 != 0 {
		return fmt.Errorf("a column of %d bytes is not made of pairs of 4-byte numbers", len(raw))
	}
	*c = make(Column, len(raw)/4)
	for i := range *c {
		(*c)[i] = binary.LittleEndian.Uint32(raw[4*i:])
	}
	return nil
}

func (c Column) at(place int) span {
	if c == nil {
		return span{}
	}
	return span{c[2*place], c[2*place+1]}
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
	for _, column := range []*Column{&s.Texts, &s.JSONs, &s.Masks} {
		if !slices.ContainsFunc(*column, func(v uint32) bool { return v != 0 }) {
			*column = nil
		}
	}
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
func newIndex(shards []Shard, crawl *Crawl, field string) *Index {
	ix := &Index{Shards: shards, Crawl: crawl, CaptionField: field, Fingerprint: fingerprint(shards, crawl, field)}
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
