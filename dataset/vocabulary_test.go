package dataset

import (
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCLIPVocabularyHas49408IDs(t *testing.T) {
	v := CLIPVocabulary()
	if v.Size() != 49408 {
		t.Errorf("%d ids", v.Size())
	}
	plain, err := unpackVocabulary(clipMergesFile)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenVocabulary(plain)
	if err != nil || again.Digest() != v.Digest() {
		t.Errorf("the plain file gives %v, digest %s; gzipped it is %s", err, again.Digest(), v.Digest())
	}
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func TestBadInputRow8DamagedVocabulariesAreRefusedByRule(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":         {nil, "line 1"},
		"another file":  {[]byte("<html>\n"), "line 1"},
		"gzip cut":      {clipMergesFile[:len(clipMergesFile)/2], "cut short"},
		"gzip header":   {[]byte{0x1f, 0x8b, 8}, "gzip header"},
		"gzip bit":      {flipped(clipMergesFile, 300_000), "unpack"},
		"line cut":      {[]byte("#version: 0.2\na b\na"), "line 3 is cut short"},
		"lines cut":     {[]byte("#version: 0.2 merges: 2\na b\n"), "promises 2 merges"},
		"no merge":      {[]byte("#version: 0.2\na b\nab\n"), `line 3: "ab" is no merge`},
		"blank line":    {[]byte("#version: 0.2\na b\n\n"), "line 3"},
		"duplicate":     {[]byte("#version: 0.2\na b\nc d\na b\n"), `line 4: duplicate merge "a b"`},
		"same product":  {[]byte("#version: 0.2\na b\nb c\nab c\na bc\n"), `line 5: duplicate merge "a bc"`},
		"unknown half":  {[]byte("#version: 0.2\nab c\n"), `line 2: merge "ab c" uses a half`},
		"gzip bomb":     {gzipped(make([]byte, vocabularyBytes+1)), "larger than 16 MiB"},
		"count too big": {[]byte("#version: 0.2 merges: 999999999999\n"), "line 1"},
	} {
		_, err := OpenVocabulary(c.data)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func flipped(data []byte, at int) []byte {
	data = slices.Clone(data)
	data[at] ^= 0x10
	return data
}

func FuzzOpenVocabulary(f *testing.F) {
	f.Add([]byte("#version: 0.2\na b\nab c</w>\n"))
	f.Add([]byte("#version: 0.2 merges: 1\na b\n"))
	f.Add(gzipped([]byte("#version: 0.2\na b\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := OpenVocabulary(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		checkEncoding(t, NewTokenizer(v, 16), "abcabc \xff ab")
	})
}

var sceneCaptions = []string{
	"a photo of a red fish and a house", "a blue house next to a striped fish", "a drawing of a tree near a red house",
	"here is a red balloon with a spotted cat", "a cat and a balloon", "a picture of a checked umbrella",
}

func TestTrainedVocabularyReadsBackAndMakesWordsOfFrequentLetters(t *testing.T) {
	file := TrainVocabulary(slices.Values(sceneCaptions), 540)
	v, err := OpenVocabulary(file)
	if err != nil {
		t.Fatal(err)
	}
	if v.Size() != 540 {
		t.Errorf("%d ids, want 540", v.Size())
	}
	tok := NewTokenizer(v, 16)
	for _, word := range []string{"a", "red", "house", "fish"} {
		if ids := tok.Encode(word); ids[2] != int32(v.Size()-1) {
			t.Errorf("%q takes more than one token: %v", word, ids)
		}
	}
}

func TestTrainingDoesNotDependOnTheOrderOfCaptions(t *testing.T) {
	want := TrainVocabulary(slices.Values(sceneCaptions), 600)
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation(sceneCaptions).Draw(t, "order")
		if got := TrainVocabulary(slices.Values(order), 600); !bytes.Equal(got, want) {
			t.Fatalf("%v gives another vocabulary", order)
		}
	})
}

func TestTrainingOnAnythingGivesAReadableFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		captions := rapid.SliceOfN(rapid.StringMatching(`[abc ]{0,12}`), 0, 20).Draw(t, "captions")
		size := rapid.IntRange(0, 700).Draw(t, "size")
		v, err := OpenVocabulary(TrainVocabulary(slices.Values(captions), size))
		if err != nil {
			t.Fatal(err)
		}
		if v.Size() > max(size, byteUnits+controlTokens) {
			t.Fatalf("%d ids, want at most %d", v.Size(), size)
		}
	})
}
