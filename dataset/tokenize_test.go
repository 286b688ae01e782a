package dataset

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type goldenTokens struct {
	Text        string  `json:"text"`
	IDs         []int32 `json:"ids"`
	OpenCLIPIDs []int32 `json:"open_clip_ids"`
}

func readGoldenTokens(t *testing.T, path string) (goldens []goldenTokens) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var g goldenTokens
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		goldens = append(goldens, g)
	}
	return goldens
}

func TestCaptionsGetTheReferencesTokens(t *testing.T) {
	tok := NewTokenizer(CLIPVocabulary(), 77)
	goldens := readGoldenTokens(t, "testdata/tokens.jsonl")
	if len(goldens) != 200 {
		t.Fatalf("%d golden captions, want 200", len(goldens))
	}
	for _, g := range goldens {
		if diff := cmp.Diff(g.IDs, tok.Encode(g.Text)); diff != "" {
			t.Errorf("%q, cleaned %q (-want +got):\n%s", g.Text, CleanCaption(g.Text), diff)
		}
	}
}

// The reference turns <|endoftext|> into id 49407, open_clip turns <end_of_text> into it; each spells out the other's.
func TestControlTokensInTextAreOrdinaryText(t *testing.T) {
	tok := NewTokenizer(CLIPVocabulary(), 77)
	for _, g := range readGoldenTokens(t, "testdata/tokens_special.jsonl") {
		want := g.OpenCLIPIDs
		if slices.Contains(want[1:], 49406) {
			want = g.IDs
		}
		if got := tok.Encode(g.Text); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", g.Text, got, want)
		}
	}
}

// checkEncoding asserts what holds for any caption: length, control tokens in their places and nowhere else, zeros last.
func checkEncoding(t interface{ Fatalf(string, ...any) }, tok *Tokenizer, caption string) {
	ids := tok.Encode(caption)
	start, end := int32(tok.Size()-2), int32(tok.Size()-1)
	if len(ids) != tok.Context() || ids[0] != start {
		t.Fatalf("%.60q: %d ids, first %d", caption, len(ids), ids[0])
	}
	n := slices.Index(ids, end)
	if n < 1 || slices.Contains(ids[1:n], start) {
		t.Fatalf("%.60q: control tokens out of place: %v", caption, ids)
	}
	for _, id := range ids[n+1:] {
		if id != 0 {
			t.Fatalf("%.60q: %d behind the end token", caption, id)
		}
	}
}

func TestAnyCaptionHasOneShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		context := rapid.IntRange(2, 90).Draw(t, "context")
		caption := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("ab '&;#<|>éÃ\u0301🙂")))).Draw(t, "caption")
		checkEncoding(t, NewTokenizer(CLIPVocabulary(), context), caption)
	})
}

func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "a cat", "\xff\x00", "&amp;amp;lt;", "<|endoftext|>", "\x1b[31mred", "sÃ³ \u202e"} {
		f.Add(s)
	}
	tok := NewTokenizer(CLIPVocabulary(), 77)
	f.Fuzz(func(t *testing.T, caption string) { checkEncoding(t, tok, caption) })
}

func TestHostileCaptionsAreQuick(t *testing.T) {
	tok := NewTokenizer(CLIPVocabulary(), 77)
	const size = 1 << 16
	for name, caption := range map[string]string{
		"one letter":      strings.Repeat("a", size),
		"one word":        strings.Repeat("photograph", size/10),
		"a megabyte":      strings.Repeat("word ", 200_000),
		"far too long":    strings.Repeat("beyond the cap ", 1<<20),
		"combining marks": "e" + strings.Repeat("\u0301\u0327", 50_000),
		"NUL":             strings.Repeat("\x00", size),
		"no UTF-8":        strings.Repeat("\xff\xc3", size/2),
		"nested entities": "&" + strings.Repeat("amp;", size/4),
		"mojibake":        strings.Repeat("Ã©", size/4),
		"bidi controls":   strings.Repeat("\u202e\u2066", size/6),
	} {
		before := cpuTime(t)
		checkEncoding(t, tok, caption)
		if took := cpuTime(t) - before; took > hostileCPU {
			t.Errorf("%s: took %v of a core", name, took)
		}
	}
}

// hostileCPU is many times what the worst case needs without the race detector; a quadratic step needs more.
const hostileCPU = 3 * time.Second

// cpuTime is what this process has used so far: a busy machine does not lengthen it.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano())
}

func TestWordsFollowTheReferencesExpression(t *testing.T) {
	for caption, want := range map[string]string{
		"it's they're we'll i'd i'm i've don't": "it|'s|they|'re|we|'ll|i|'d|i|'m|i|'ve|don|'t",
		"a'ſ":                                   "a|'ſ",
		"2024 ok":                               "2|0|2|4|ok",
		"½ⅷ":                                    "½|ⅷ",
		"$9.99!!! -- 'x":                        "$|9|.|9|9|!!!|--|'|x",
		"naïve\u0301 日本":                        "naïve|\u0301|日本",
		"a\u0345b":                              "a|b",
		"\u2003a\u00a0b":                        "a|b",
		"“'s”":                                  "“'|s|”",
	} {
		if got := strings.Join(slices.Collect(captionWords(caption)), "|"); got != want {
			t.Errorf("%q: %s, want %s", caption, got, want)
		}
	}
}

// slowMerge is byte-pair encoding as it is usually explained: merge every occurrence of the best pair, again and again.
func slowMerge(v *Vocabulary, word string) []int32 {
	ids := wordUnits(word)
	for {
		best, product := idPair{}, int32(1<<30)
		for p := range neighbourIDs(ids) {
			if id, ok := v.products[p]; ok && id < product {
				best, product = p, id
			}
		}
		if product == 1<<30 {
			return ids
		}
		ids = replacePair(ids, best, product)
	}
}

func TestQueueMergesAsTheTextbookDoes(t *testing.T) {
	v := CLIPVocabulary()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(
			rapid.StringMatching(`[a-z]{1,30}`), rapid.StringMatching(`[aeinost]{1,60}`), rapid.StringMatching(`(an|na|a){1,40}`),
			rapid.StringN(1, 40, -1),
		).Draw(t, "word")
		if got, want := v.mergeWord(word), slowMerge(v, word); !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", word, got, want)
		}
	})
}

func ExampleTokenizer_Encode() {
	tok := NewTokenizer(CLIPVocabulary(), 8)
	fmt.Println(tok.Encode("A photo of a Cat"))
	// Output: [49406 320 1125 539 320 2368 49407 0]
}

func BenchmarkEncode(b *testing.B) {
	tok := NewTokenizer(CLIPVocabulary(), 77)
	captions := []string{
		"a photo of a large brown dog running on the beach at sunset",
		"Luxury 5-bedroom villa w/ private pool in Málaga – from €1,200 per week!",
		"Vector illustration: a set of hand-drawn autumn leaves &amp; mushrooms",
	}
	for i := 0; b.Loop(); i++ {
		tok.Encode(captions[i%len(captions)])
	}
}
