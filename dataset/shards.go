package dataset

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/textground/textground/store"
)

// maxShardBytes bounds a shard: workers hold whole shards, and an index counts their bytes in 32 bits.
const maxShardBytes = 2 << 30

// Sample is one captioned image as a shard holds it.
type Sample struct {
	Key     string // names the sample within its shard: the entries are Key.jpg, Key.txt, ...
	Image   []byte // encoded as JPEG, PNG, WebP or GIF
	Caption string
	Info    []byte // a JSON object about where the sample comes from, or nil; nothing is trained on it
	Mask    []byte // a label map as PNG, or nil
}

// ShardError says which rule a shard or one of its samples broke, and what to do about it.
type ShardError struct {
	Shard  string // the shard's name in its index
	Sample string // the sample's key; empty where the rule is about the whole shard
	Rule   string // what was expected and what was found
	Mend   string // what the user can do
	Err    error  // the cause, or nil
}

func (e *ShardError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "shard %s", e.Shard)
	if e.Sample != "" {
		fmt.Fprintf(&b, ", sample %q", e.Sample)
	}
	fmt.Fprintf(&b, ": %s", e.Rule)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Mend != "" {
		fmt.Fprintf(&b, "; %s", e.Mend)
	}
	return b.String()
}

func (e *ShardError) Unwrap() error { return e.Err }

// ShardName is the name of the shard with this number, as img2dataset writes it.
func ShardName(number int) string { return fmt.Sprintf("%05d.tar", number) }

// objectKey is the store key of a name under a prefix.
func objectKey(prefix, name string) string { return strings.TrimPrefix(path.Join(prefix, name), "/") }

// WriteShard writes samples as shard number under prefix and returns its line for the index. Equal samples make equal
// bytes: entries carry no time and no owner. Callers write the index last, with [WriteIndex].
func WriteShard(ctx context.Context, st store.Store, prefix string, number int, samples []Sample) (Shard, error) {
	name := ShardName(number)
	data, shard, err := PackShard(name, samples)
	if err != nil {
		return Shard{}, err
	}
	if err := st.Put(ctx, objectKey(prefix, name), data); err != nil {
		return Shard{}, fmt.Errorf("writing shard %s: %w", name, err)
	}
	return shard, nil
}

// PackShard returns the bytes of a shard and its line for the index, for callers that write it themselves.
func PackShard(name string, samples []Sample) ([]byte, Shard, error) {
	data, err := packShard(name, samples)
	if err != nil {
		return nil, Shard{}, err
	}
	shard, err := scanShard(bytes.NewReader(data), name, "")
	return data, shard, err
}

// packShard returns the tar file of samples.
func packShard(name string, samples []Sample) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(roomFor(samples))
	w := tar.NewWriter(&b)
	for _, s := range samples {
		if reason := badName(s.Key); reason != "" || strings.ContainsAny(s.Key, "./") || s.Key == "" {
			return nil, &ShardError{Shard: name, Sample: s.Key, Rule: "a key must be a plain word without dots and slashes", Mend: "rename the sample"}
		}
		entries := []struct {
			extension string
			data      []byte
		}{{imageExtension(s.Image), s.Image}, {"txt", []byte(s.Caption)}, {infoExtension, s.Info}, {maskExtension, s.Mask}}
		for _, e := range entries {
			if (e.extension == maskExtension || e.extension == infoExtension) && e.data == nil {
				continue
			}
			header := &tar.Header{Name: s.Key + "." + e.extension, Size: int64(len(e.data)), Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
			if err := w.WriteHeader(header); err != nil {
				return nil, &ShardError{Shard: name, Sample: s.Key, Rule: "its entry cannot be written", Err: err}
			}
			if _, err := w.Write(e.data); err != nil {
				return nil, &ShardError{Shard: name, Sample: s.Key, Rule: "its entry cannot be written", Err: err}
			}
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("closing shard %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// roomFor is about what a shard of samples takes: each entry has a header and ends with a block.
func roomFor(samples []Sample) int {
	const entries, overhead = 4, 1024
	sum := overhead
	for _, s := range samples {
		sum += len(s.Image) + len(s.Caption) + len(s.Info) + len(s.Mask) + entries*overhead
	}
	return sum
}

const (
	maskExtension = "mask.png"
	infoExtension = "json"
)

// imageExtension names the format of an encoded image by its first bytes; whatever is unknown is called jpg.
func imageExtension(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG")):
		return "png"
	case bytes.HasPrefix(data, []byte("GIF8")):
		return "gif"
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return "webp"
	}
	return "jpg"
}

// badName gives the reason why an entry of this name is left out, or "". Names never reach a file system; the rules keep
// logs, pages and exports safe.
func badName(name string) string {
	switch {
	case !utf8.ValidString(name):
		return "name_not_utf8"
	case len(name) > 255:
		return "name_too_long"
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "name_with_control_character"
	case strings.HasPrefix(name, "/"):
		return "name_absolute"
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "name_with_dot_dot"
		}
	}
	return ""
}
