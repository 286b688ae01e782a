package dataset

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// Sizes of the file format, which are those of CLIP's.
const (
	vocabularyVersion = "#version: 0.2"
	vocabularyCount   = " merges: "                            // then their number: our addition, so that a file cut between two lines is noticed
	byteUnits         = 512                                    // 256 bytes inside a word, then 256 that end one
	clipMerges        = 49152 - 256 - 2                        // CLIP's file lists 262 144 merges; the first 48 894 count
	clipVocabulary    = byteUnits + clipMerges + controlTokens // 49 408
	controlTokens     = 2                                      // start and end of text, the two highest ids
	vocabularyBytes   = 16 << 20                               // cap on the uncompressed file
	endOfWord         = "</w>"
)

//go:embed vocab/bpe_simple_vocab_16e6.txt.gz
var clipMergesFile []byte

// CLIPVocabulary returns CLIP's own vocabulary of 49 408 ids. It is read once and shared.
var CLIPVocabulary = sync.OnceValue(func() *Vocabulary {
	v, err := OpenVocabulary(clipMergesFile)
	if err != nil {
		panic("the embedded vocabulary: " + err.Error())
	}
	return v
})

// A Vocabulary is a list of byte-pair merges and the ids that follow from it: 0..511 are the byte units, 512+r is the
// product of merge r, and the two highest ids start and end a text. It is immutable, so goroutines may share it.
type Vocabulary struct {
	products map[idPair]int32 // the id that two neighbours merge into; smaller ids merge first
	size     int32
	digest   string
}

// idPair is two neighbouring ids.
type idPair struct{ left, right int32 }

// OpenVocabulary reads a merges file of CLIP's format, gzipped or plain: a header line, then one merge a line, its two
// halves separated by a space, earlier lines merging first. A file longer than CLIP's list counts as far as CLIP uses it.
//
// It refuses a file that is cut short, that lists a product twice, that uses a half which no earlier line makes, or that
// is larger than 16 MiB when unpacked, and names the rule and the line.
func OpenVocabulary(data []byte) (*Vocabulary, error) {
	text, err := unpackVocabulary(data)
	if err != nil {
		return nil, fmt.Errorf("read vocabulary: %w", err)
	}
	sum := sha256.Sum256(text)
	v := &Vocabulary{digest: hex.EncodeToString(sum[:])}
	if err := v.parse(string(text)); err != nil {
		return nil, fmt.Errorf("read vocabulary: %w", err)
	}
	return v, nil
}

// Size returns the number of ids, control tokens included.
func (v *Vocabulary) Size() int { return int(v.size) }

// Digest returns the SHA-256 of the uncompressed merges file in hex.
func (v *Vocabulary) Digest() string { return v.digest }

func (v *Vocabulary) startOfText() int32 { return v.size - 2 }
func (v *Vocabulary) endOfText() int32   { return v.size - 1 }

func unpackVocabulary(data []byte) ([]byte, error) {
	var r io.Reader = bytes.NewReader(data)
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		unzip, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("gzip header: %w", err)
		}
		r = unzip
	}
	text, err := io.ReadAll(io.LimitReader(r, vocabularyBytes+1))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("the gzip file is cut short after %d unpacked bytes: fetch it again", len(text))
	}
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	if len(text) > vocabularyBytes {
		return nil, fmt.Errorf("larger than %d MiB when unpacked: this is no vocabulary", vocabularyBytes>>20)
	}
	return text, nil
}

func (v *Vocabulary) parse(text string) error {
	header, body, _ := strings.Cut(text, "\n")
	declared, err := declaredMerges(header)
	if err != nil {
		return err
	}
	if body != "" && !strings.HasSuffix(body, "\n") {
		return fmt.Errorf("line %d is cut short: every line must end in a newline", strings.Count(text, "\n")+1)
	}
	ids := byteUnitIDs()
	v.products = map[idPair]int32{}
	merges := 0
	for line := range strings.Lines(body) {
		if merges == clipMerges {
			break
		}
		if err := v.addMerge(ids, strings.TrimSuffix(line, "\n")); err != nil {
			return fmt.Errorf("line %d: %w", merges+2, err)
		}
		merges++
	}
	if declared >= 0 && declared != merges {
		return fmt.Errorf("the header promises %d merges, the file has %d: it is cut short or was edited", declared, merges)
	}
	v.size = int32(byteUnits + merges + controlTokens)
	return nil
}

// declaredMerges returns the count that a header states, or -1 for CLIP's, which states none and has a file name in front.
func declaredMerges(header string) (int, error) {
	_, rest, found := strings.Cut(header, vocabularyVersion)
	if found && rest == "" {
		return -1, nil
	}
	count, ok := strings.CutPrefix(rest, vocabularyCount)
	n, err := strconv.Atoi(count)
	if !ok || err != nil || n < 0 || n > clipMerges {
		return 0, fmt.Errorf("line 1 is %.40q: a vocabulary starts with %q", header, vocabularyVersion)
	}
	return n, nil
}

func (v *Vocabulary) addMerge(ids map[string]int32, line string) error {
	left, right, ok := strings.Cut(line, " ")
	if !ok || left == "" || right == "" {
		return fmt.Errorf("%.40q is no merge: two halves and one space between them are wanted", line)
	}
	l, knownLeft := ids[left]
	r, knownRight := ids[right]
	if !knownLeft || !knownRight {
		return fmt.Errorf("merge %.40q uses a half that no earlier line makes", line)
	}
	product := left + right
	if _, taken := ids[product]; taken {
		return fmt.Errorf("duplicate merge %.40q: %.40q exists already", line, product)
	}
	id := int32(len(ids))
	ids[product] = id
	v.products[idPair{l, r}] = id
	return nil
}

// unitByte lists the byte of units 0..255: first the bytes that CLIP's format writes as themselves, then the others.
var unitByte = func() (order [256]byte) {
	n := 0
	for _, wantPrinted := range []bool{true, false} {
		for b := range 256 {
			if printedAsItself(b) == wantPrinted {
				order[n] = byte(b)
				n++
			}
		}
	}
	return order
}()

// byteUnit is the inverse of unitByte.
var byteUnit = func() (unit [256]int32) {
	for i, b := range unitByte {
		unit[b] = int32(i)
	}
	return unit
}()

func printedAsItself(b int) bool {
	return b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE
}

// unitSymbol returns how the file writes unit i: the byte's Latin-1 character, or for the 68 bytes that would not show,
// the characters from U+0100 on.
func unitSymbol(i int) string {
	if b := int(unitByte[i]); printedAsItself(b) {
		return string(rune(b))
	}
	printed := 256 - 68
	return string(rune(0x100 + i - printed))
}

func byteUnitIDs() map[string]int32 {
	ids := make(map[string]int32, clipVocabulary)
	for i := range 256 {
		ids[unitSymbol(i)] = int32(i)
		ids[unitSymbol(i)+endOfWord] = int32(256 + i)
	}
	return ids
}
