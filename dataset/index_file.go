package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/textground/textground/store"
)

const (
	// IndexName is the name of the index beside its shards.
	IndexName = "index.json"

	indexFormat   = "textground-index-1"
	maxIndexBytes = 4 << 30
)

// IndexError says which rule an index broke, and what to do about it.
type IndexError struct {
	Place string // store and key
	Rule  string
	Err   error // the cause, or nil
}

func (e *IndexError) Error() string {
	message := e.Place + ": " + e.Rule
	if e.Err != nil {
		message += ": " + e.Err.Error()
	}
	return message + "; run textground data index"
}

func (e *IndexError) Unwrap() error { return e.Err }

// indexFile is the head of index.json; the shards follow, one a line.
type indexFile struct {
	Format      string  `json:"format"`
	Fingerprint string  `json:"fingerprint"`
	Samples     int     `json:"samples"`
	Crawl       *Crawl  `json:"crawl,omitempty"`
	Caption     string  `json:"caption_field,omitempty"`
	Shards      []Shard `json:"shards"`
}

// fingerprint digests what an index says, in the words in which it says it: SHA-256 over the JSON of each shard and a newline,
// and of the crawl and the named field of captions where there are any.
func fingerprint(shards []Shard, crawl *Crawl, field string) string {
	h := sha256.New()
	for i := range shards {
		h.Write(shardLine(&shards[i]))
		h.Write([]byte("\n"))
	}
	if crawl != nil {
		h.Write(crawl.line())
		h.Write([]byte("\n"))
	}
	if field != "" {
		fmt.Fprintf(h, "{\"caption_field\":%s}\n", quoted(field))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func shardLine(s *Shard) []byte {
	line, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("dataset: a shard's line: %v", err)) // numbers, strings and one map of strings
	}
	return line
}

func quoted(s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("dataset: encoding %q: %v", s, err)) // a string
	}
	return text
}

func (c *Crawl) line() []byte {
	return fmt.Appendf(nil, `{"answered":%d,"asked":%d}`, c.Answered, c.Asked)
}

// encode writes the index with one shard a line, so that people can look at it and version control can compare it.
func (ix *Index) encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\"format\": %q,\n \"fingerprint\": %q,\n \"samples\": %d,\n", indexFormat, ix.Fingerprint, ix.Samples())
	if ix.Crawl != nil {
		fmt.Fprintf(&b, " \"crawl\": %s,\n", ix.Crawl.line())
	}
	if ix.CaptionField != "" {
		fmt.Fprintf(&b, " \"caption_field\": %s,\n", quoted(ix.CaptionField))
	}
	b.WriteString(" \"shards\": [")
	for i := range ix.Shards {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(shardLine(&ix.Shards[i]))
	}
	b.WriteString("\n]}\n")
	return b.Bytes()
}

// WriteIndex writes the index of shards under prefix, in their order, and returns it. It comes after the shards: a prefix
// with an index is complete.
func WriteIndex(ctx context.Context, st store.Store, prefix string, shards []Shard) (*Index, error) {
	return WriteCrawlIndex(ctx, st, prefix, shards, nil)
}

// WriteCrawlIndex is WriteIndex for shards that were crawled from a list of URLs.
func WriteCrawlIndex(ctx context.Context, st store.Store, prefix string, shards []Shard, crawl *Crawl) (*Index, error) {
	return writeIndex(ctx, st, prefix, newIndex(shards, crawl, ""))
}

func writeIndex(ctx context.Context, st store.Store, prefix string, ix *Index) (*Index, error) {
	if ix.Samples() == 0 {
		return nil, &IndexError{Place: placeOf(st, prefix), Rule: "there is no sample to index"}
	}
	if err := st.Put(ctx, objectKey(prefix, IndexName), ix.encode()); err != nil {
		return nil, fmt.Errorf("writing the index: %w", err)
	}
	return ix, nil
}

// placeOf names the index under a prefix for messages.
func placeOf(st store.Store, prefix string) string {
	return fmt.Sprintf("%s in %s", objectKey(prefix, IndexName), st)
}

// OpenIndex reads the index under prefix, refuses whatever does not hold together, and compares it with the sizes of the
// shards that are really there, so that a shard that was lost or cut is named before a run begins.
func OpenIndex(ctx context.Context, st store.Store, prefix string) (*Index, error) {
	place := placeOf(st, prefix)
	data, err := readIndex(ctx, st, prefix)
	if errors.Is(err, store.ErrNotExist) {
		return nil, &IndexError{Place: place, Rule: "there is no index", Err: store.ErrNotExist}
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", place, err)
	}
	ix, err := decodeIndex(data)
	if err != nil {
		return nil, &IndexError{Place: place, Rule: "it is not a sound index", Err: err}
	}
	if err := comparePresent(ctx, st, prefix, ix); err != nil {
		return nil, err
	}
	return ix, nil
}

func readIndex(ctx context.Context, st store.Store, prefix string) ([]byte, error) {
	r, err := st.Get(ctx, objectKey(prefix, IndexName), 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxIndexBytes))
}

// comparePresent checks that every shard is there with the size that the index has for it.
func comparePresent(ctx context.Context, st store.Store, prefix string, ix *Index) error {
	objects, err := st.List(ctx, listPrefix(prefix))
	if err != nil {
		return fmt.Errorf("listing the shards under %q in %s: %w", prefix, st, err)
	}
	sizes := map[string]int64{}
	for _, o := range objects {
		sizes[o.Key] = o.Size
	}
	for _, s := range ix.Shards {
		size, there := sizes[objectKey(prefix, s.Name)]
		if !there {
			return missingShard(st, s.Name, nil)
		}
		if size != s.Size {
			return resizedShard(s, size)
		}
	}
	return nil
}

func listPrefix(prefix string) string {
	if prefix = objectKey(prefix, ""); prefix != "" {
		return prefix + "/"
	}
	return ""
}

func missingShard(st store.Store, name string, err error) error {
	return &ShardError{Shard: name, Rule: fmt.Sprintf("the index lists it, but it is not in %s", st), Err: err, Mend: "restore it, or run textground data index for the shards that are there"}
}

func resizedShard(s Shard, size int64) error {
	rule := fmt.Sprintf("it has %d bytes, the index says %d", size, s.Size)
	if size < s.Size {
		rule = "cut short: " + rule
	}
	return &ShardError{Shard: s.Name, Rule: rule, Mend: "restore it, or run textground data index"}
}

// decodeIndex reads an index and checks every promise that the rest of the package relies on.
func decodeIndex(data []byte) (*Index, error) {
	file, err := parseIndex(data)
	if err != nil {
		if other := formatOf(data); other != "" {
			return nil, otherFormat(other)
		}
		return nil, err
	}
	if file.Format != indexFormat {
		return nil, otherFormat(file.Format)
	}
	names := map[string]bool{}
	for i := range file.Shards {
		s := &file.Shards[i]
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("shard %q: %w", s.Name, err)
		}
		if names[s.Name] {
			return nil, fmt.Errorf("shard %q is listed twice", s.Name)
		}
		names[s.Name] = true
	}
	if c := file.Crawl; c != nil && (c.Answered < 0 || c.Answered > c.Asked) {
		return nil, fmt.Errorf("its crawl has %d answers to %d URLs", c.Answered, c.Asked)
	}
	ix := newIndex(file.Shards, file.Crawl, file.Caption)
	if ix.Fingerprint != file.Fingerprint {
		return nil, fmt.Errorf("its fingerprint is %s, its contents have %s", file.Fingerprint, ix.Fingerprint)
	}
	if ix.Samples() != file.Samples || file.Samples == 0 {
		return nil, fmt.Errorf("it promises %d samples, its shards have %d", file.Samples, ix.Samples())
	}
	return ix, nil
}

func parseIndex(data []byte) (indexFile, error) {
	var file indexFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return file, err
	}
	if _, err := d.Token(); err != io.EOF {
		return file, errors.New("there is more after its end")
	}
	return file, nil
}

// formatOf returns the format that an index names, if it is not ours: that explains best why it cannot be parsed.
func formatOf(data []byte) string {
	var version struct {
		Format string `json:"format"`
	}
	if json.Unmarshal(data, &version) != nil || version.Format == indexFormat {
		return ""
	}
	return version.Format
}

func otherFormat(format string) error {
	return fmt.Errorf("its format is %q, this build reads %q", format, indexFormat)
}

func (s *Shard) check() error {
	if s.Name == "" || badName(s.Name) != "" || path.Clean(s.Name) != s.Name {
		return errors.New("its name is not a plain path")
	}
	if digest, err := hex.DecodeString(s.SHA256); err != nil || len(digest) != sha256.Size {
		return fmt.Errorf("its digest %q is not a SHA-256", s.SHA256)
	}
	if s.Size <= 0 || s.Size > maxShardBytes {
		return fmt.Errorf("its size %d is not in 1..%d", s.Size, int64(maxShardBytes))
	}
	if keys := strings.Count(s.Keys, "\n") + 1; s.Samples < 0 || (s.Samples > 0 && keys != s.Samples) {
		return fmt.Errorf("it has %d samples and %d keys", s.Samples, keys)
	}
	if len(s.Images) != 2*s.Samples {
		return fmt.Errorf("it has %d samples, its images column %d numbers", s.Samples, len(s.Images))
	}
	for _, column := range []Column{s.Images, s.Texts, s.JSONs, s.Masks} {
		if err := s.checkColumn(column); err != nil {
			return err
		}
	}
	for place := range s.Samples {
		if s.Images.at(place) == (span{}) || s.Texts.at(place) == (span{}) && s.JSONs.at(place) == (span{}) {
			return fmt.Errorf("sample %d has no image or no caption", place)
		}
	}
	return nil
}

func (s *Shard) checkColumn(column Column) error {
	if column != nil && len(column) != 2*s.Samples {
		return fmt.Errorf("it has %d samples, a column %d numbers", s.Samples, len(column))
	}
	for i := 0; i < len(column); i += 2 {
		if int64(column[i])+int64(column[i+1]) > s.Size || (column[i] == 0 && column[i+1] != 0) {
			return fmt.Errorf("sample %d has bytes %d+%d of %d", i/2, column[i], column[i+1], s.Size)
		}
	}
	return nil
}
