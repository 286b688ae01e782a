package dataset

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"
)

// scanShard reads a whole shard once and returns its line of the index. It allocates little however large the shard is. A sample
// whose caption is in its JSON object must have it there, in the field of that name or in one of the usual ones.
//
// archive/tar takes a file that was cut between two entries for a complete one, so the end marker of two zero blocks is
// demanded here, and nothing but zeros after it. Entries that training cannot use are left out and counted by reason.
// Samples whose entries do not stand together, or that repeat an entry, are an error: which one counts would be a guess.
func scanShard(r io.Reader, name, captionField string) (Shard, error) {
	source := &tape{r: r, digest: sha256.New()}
	s := &scanner{shard: Shard{Name: name}, captionField: captionField, seen: map[string]bool{}}
	if err := s.entries(source); err != nil {
		return Shard{}, err
	}
	if err := s.closeSample(); err != nil {
		return Shard{}, err
	}
	s.shard.Keys = strings.Join(s.keys, "\n")
	s.shard.Samples = len(s.keys)
	s.shard.Size = source.read
	s.shard.SHA256 = hex.EncodeToString(source.digest.Sum(nil))
	s.shard.dropEmptyColumns()
	return s.shard, nil
}

// tape counts and digests what is read through it. It hides Seek, which would let archive/tar jump over bytes.
type tape struct {
	r      io.Reader
	digest hash.Hash
	read   int64
	zeros  int64 // how many of the last bytes were zero
}

func (t *tape) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.digest.Write(p[:n])
	t.read += int64(n)
	if kept := len(bytes.TrimRight(p[:n], "\x00")); kept > 0 {
		t.zeros = int64(n - kept)
	} else {
		t.zeros += int64(n)
	}
	return n, err
}

type scanner struct {
	shard        Shard
	captionField string
	seen         map[string]bool // keys of the samples closed so far
	keys         []string        // keys of the samples taken

	key   string // the open sample; empty before the first
	roles map[entryRole]span
	info  bytes.Buffer // its JSON object, which is looked at if there is no text
}

// maxInfoBytes bounds a JSON object that is read for its caption.
const maxInfoBytes = 1 << 20

// An entryRole says what an entry is to its sample.
type entryRole string

const (
	roleImage entryRole = "image"
	roleText  entryRole = "caption"
	roleJSON  entryRole = "json"
	roleMask  entryRole = "mask"
)

func (s *scanner) fail(sample, rule string, err error) error {
	return &ShardError{Shard: s.shard.Name, Sample: sample, Rule: rule, Err: err, Mend: "write the shard again, then run textground data index"}
}

// entries reads the file from its first block to its last byte.
func (s *scanner) entries(source *tape) error {
	const block = 512
	tr := tar.NewReader(source)
	end := int64(0) // of the last entry
	for {
		header, err := tr.Next()
		if err == io.EOF {
			if min(source.read-end, source.zeros) < 2*block {
				return s.fail("", fmt.Sprintf("cut short: no end marker after byte %d", end), nil)
			}
			return s.rest(source)
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return s.fail(s.key, fmt.Sprintf("broken tar header before byte %d", source.read), err)
		}
		if header.Size > maxShardBytes-source.read {
			return s.fail(header.Name, fmt.Sprintf("an entry of %d bytes passes the largest shard, %d bytes", header.Size, int64(maxShardBytes)), nil)
		}
		if err := s.entry(header, uint32(source.read)); err != nil {
			return err
		}
		if isSparse(header) { // reading it would unfold its holes
			end = source.read
			continue
		}
		if _, err := io.Copy(s.keeper(header), tr); err != nil { //nolint:gosec // G110: nothing is unpacked, and the size is bounded above
			return s.fail(header.Name, fmt.Sprintf("cut short at byte %d", source.read), err)
		}
		end = (source.read + block - 1) / block * block
	}
}

// keeper takes the bytes of an entry: those of the open sample's JSON object are kept.
func (s *scanner) keeper(header *tar.Header) io.Writer {
	key, extension := splitName(header.Name)
	if role, known := roleOf(extension); known && role == roleJSON && key == s.key && unusable(header) == "" && header.Size <= maxInfoBytes {
		return &s.info
	}
	return io.Discard
}

// rest demands that nothing but zeros follows the end marker.
func (s *scanner) rest(source *tape) error {
	buffer := make([]byte, 32<<10)
	for {
		n, err := source.Read(buffer)
		if len(bytes.Trim(buffer[:n], "\x00")) > 0 {
			return s.fail("", fmt.Sprintf("bytes after the end marker, before byte %d", source.read), nil)
		}
		if source.read > maxShardBytes {
			return s.fail("", fmt.Sprintf("more than %d bytes", int64(maxShardBytes)), nil)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading shard %s at byte %d: %w", s.shard.Name, source.read, err)
		}
	}
}

// entry takes one entry, whose bytes begin at offset, into the open sample.
func (s *scanner) entry(header *tar.Header, offset uint32) error {
	if reason := unusable(header); reason != "" {
		s.shard.skip(reason)
		return nil
	}
	key, extension := splitName(header.Name)
	role, known := roleOf(extension)
	if key == "" || !known {
		s.shard.skip("unused_entry")
		return nil
	}
	if key != s.key {
		if err := s.openSample(key); err != nil {
			return err
		}
	}
	if _, taken := s.roles[role]; taken {
		return s.fail(key, fmt.Sprintf("it has a second %s, %q", role, header.Name), nil)
	}
	s.roles[role] = span{offset, uint32(header.Size)}
	return nil
}

func (s *scanner) openSample(key string) error {
	if err := s.closeSample(); err != nil {
		return err
	}
	if s.seen[key] {
		return s.fail(key, "its entries do not stand together, or two samples have this key", nil)
	}
	s.key, s.roles = key, map[entryRole]span{}
	s.info.Reset()
	return nil
}

// closeSample puts the open sample into the columns if it has an image and a caption.
func (s *scanner) closeSample() error {
	if s.key == "" {
		return nil
	}
	s.seen[s.key] = true
	image, text, json, mask := s.roles[roleImage], s.roles[roleText], s.roles[roleJSON], s.roles[roleMask]
	switch {
	case image == (span{}):
		s.shard.skip("no_image")
	case text == (span{}) && json == (span{}):
		s.shard.skip("no_caption")
	case text == (span{}) && s.captionInfo() != "":
		s.shard.skip(s.captionInfo())
	default:
		s.keys = append(s.keys, s.key)
		s.shard.append(image, text, json, mask)
	}
	return nil
}

// captionInfo gives the reason why the open sample's JSON object has no caption, or "".
func (s *scanner) captionInfo() string {
	_, err := captionOf(nil, s.info.Bytes(), s.captionField)
	if bad := (*badSample)(nil); errors.As(err, &bad) {
		return bad.reason
	}
	return ""
}

// unusable gives the reason why an entry is never read, or "".
func unusable(h *tar.Header) string {
	if isSparse(h) {
		return "sparse_file"
	}
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeDir:
		return "directory"
	case tar.TypeSymlink:
		return "symbolic_link"
	case tar.TypeLink:
		return "hard_link"
	default:
		return "not_a_regular_file"
	}
	if _, ok := h.PAXRecords["size"]; ok {
		return "size_overridden"
	}
	return badName(h.Name)
}

func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for record := range h.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// splitName cuts a name at the first dot of its last part, as webdataset does: "a/001.mask.png" is ("a/001", "mask.png").
func splitName(name string) (key, extension string) {
	dir, base := path.Split(name)
	base, extension, found := strings.Cut(base, ".")
	if !found || base == "" {
		return "", ""
	}
	return dir + base, strings.ToLower(extension)
}

func roleOf(extension string) (entryRole, bool) {
	switch extension {
	case "jpg", "jpeg", "png", "webp", "gif":
		return roleImage, true
	case "txt":
		return roleText, true
	case "json":
		return roleJSON, true
	case maskExtension:
		return roleMask, true
	}
	return "", false
}
