package ftfy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// testdata/pairs.jsonl holds generated strings, mostly damaged on purpose, with what Python's ftfy 6.3.1 and html.unescape
// make of them.
func TestStringsComeOutAsFromThePythonLibrary(t *testing.T) {
	f, err := os.Open("testdata/pairs.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	pairs := 0
	for lines := bufio.NewScanner(f); lines.Scan(); pairs++ {
		var p struct{ Text, Fixed, Unescaped string }
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if got := FixText(p.Text); got != p.Fixed {
			t.Errorf("FixText(%+q)\n got %+q\nwant %+q", p.Text, got, p.Fixed)
		}
		if got := UnescapeHTML(p.Text); got != p.Unescaped {
			t.Errorf("UnescapeHTML(%+q)\n got %+q\nwant %+q", p.Text, got, p.Unescaped)
		}
	}
	if pairs != 400 {
		t.Errorf("%d pairs read, want 400", pairs)
	}
}

func TestEachRepair(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"mojibake":                   {"schÃ¶n", "schön"},
		"two layers":                 {"schÃƒÂ¶n", "schön"},
		"a part of the text":         {"Ελλάδα: schÃ¶n", "Ελλάδα: schön"},
		"lost bytes":                 {"â€œquotedâ€\ufffd", `"quoted` + "\ufffd"},
		"space for A0":               {"voilÃ le travail", "voilà le travail"},
		"à is a word":                {"tarte Ã la crÃ¨me", "tarte à la crème"},
		"real accents stay":          {"São Tomé, Ångström, naïve", "São Tomé, Ångström, naïve"},
		"entities":                   {"caf&eacute; &amp; bar &EACUTE;", "café & bar É"},
		"no entities in HTML":        {"<b>caf&eacute;</b>", "<b>caf&eacute;</b>"},
		"terminal colours":           {"\x1b[1;31mred\x1b[0m", "red"},
		"ligatures":                  {"ﬂuﬃeﬆ ǆ", "fluffiest dž"},
		"width":                      {"ＬＯＵＤ　ﾀｰﾝ", "LOUD ターン"},
		"quotes":                     {"‘it’s’ “so”", `'it's' "so"`},
		"line breaks":                {"a\r\nb\rc\u2028d\u2029e", "a\nb\nc\nd\ne"},
		"C1 as Windows-1252":         {"caf\u0092e €", "caf'e €"},
		"controls":                   {"a\x00b\u206ac\ufeff", "abc"},
		"joined surrogates":          {"\xed\xa0\xbd\xed\xb8\x80!", "😀!"},
		"surrogates alone":           {"a\xed\xa0\xbdb", "a\ufffdb"},
		"no UTF-8":                   {"a\xffb", "a\ufffdb"},
		"composition":                {"e\u0301 a\u0323\u0302", "é ậ"},
		"composition of many marks":  {"e" + strings.Repeat("\u0327\u0301", 20), "\u0229" + strings.Repeat("\u0327", 19) + strings.Repeat("\u0301", 20)},
		"nothing":                    {"", ""},
		"entities of entities":       {"&amp;amp;eacute;", "é"},
		"an entity that needs < off": {"a < b &amp; c", "a < b &amp; c"},
	} {
		if got := FixText(c.text); got != c.want {
			t.Errorf("%s: %+q becomes %+q, want %+q", name, c.text, got, c.want)
		}
	}
}

// mojibake misreads s as UTF-8 read in e.
func mojibake(s string, e *encoding) string {
	var out strings.Builder
	for i := range len(s) {
		out.WriteRune(e.decode(s[i]))
	}
	return out.String()
}

func TestMisreadTextIsRestored(t *testing.T) {
	texts := []string{"l’été à Málaga", "“Grüße” aus Köln – schön", "Žluťoučký kůň", "Привет, мир", "日本語の写真", "👍🏽 great"}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(texts).Draw(t, "text")
		damaged := text
		for range rapid.IntRange(1, 3).Draw(t, "layers") {
			damaged = mojibake(damaged, windows1252)
		}
		if got, want := FixText(damaged), FixText(text); got != want {
			t.Fatalf("%q becomes %q, want %q", damaged, got, want)
		}
	})
}

// checkFixed asserts what holds for any text.
func checkFixed(t interface{ Fatalf(string, ...any) }, text string) {
	fixed := FixText(text)
	switch {
	case !utf8.ValidString(fixed):
		t.Fatalf("%+q becomes %+q: no UTF-8", text, fixed)
	case strings.ContainsAny(fixed, "\x00\x07\x1b\x7f\r\u2028‘’“”ﬁ\uFEFF"):
		t.Fatalf("%+q becomes %+q: something is left", text, fixed)
	case composeCharacters(fixed) != fixed:
		t.Fatalf("%+q becomes %+q: not composed", text, fixed)
	}
}

func TestAnyTextComesOutClean(t *testing.T) {
	damage := rapid.StringOf(rapid.SampledFrom([]rune("aÃ¢â€œ™Â\u0080\u009d\u00a0 é&;#xamp<Ð°Ñ\ufffd\x1a\x1b[m\u0301\u0f73가😀")))
	rapid.Check(t, func(t *rapid.T) {
		checkFixed(t, rapid.OneOf(damage, rapid.String()).Draw(t, "text"))
	})
}

func FuzzFixText(f *testing.F) {
	for _, s := range []string{"", "sÃ³", "&amp;lt;", "\x1b[0m", "\xed\xa0\xbd\xed\xb8\x80", "e\u0301\u0327", "вЂ™", "ГўВЂВ™a", "Ã "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkFixed(t, text)
		UnescapeHTML(text)
	})
}

// A megabyte of the worst of these takes 0.3 s of one core; a sixteenth of it is tried.
func TestHostileTextIsQuick(t *testing.T) {
	const size = 1 << 16
	for _, unit := range []string{
		"Ã©", "â€œ", "ÃƒÂ©", "Ã©≥", "Ã ", "é\u0081", "вЂ™", "Привет ", "ГўВЂВ", "Â", "&amp;", "&", "&#", "\x1b[", "\x1b[1", "\xff",
		"\u0301", "e\u0301\u0327", "\u0f73", "가\u0301", "日", "Ä…≈", "\xed\xa0\xbd", "<\n", "Ã©\n",
	} {
		before := cpuTime(t)
		FixText(strings.Repeat(unit, size/len(unit)))
		if took := cpuTime(t) - before; took > hostileCPU {
			t.Errorf("%+q: took %v of a core", unit, took)
		}
	}
}

// hostileCPU is a hundred times what the worst case needs without the race detector; a quadratic step needs more.
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

func ExampleFixText() {
	fmt.Println(FixText("The MÃ¼nchen photo &mdash; â€œschÃ¶nâ€\u009d"))
	// Output: The München photo — "schön"
}

func BenchmarkFixText(b *testing.B) {
	for name, text := range map[string]string{
		"ASCII":    "a photo of a large brown dog running on the beach at sunset",
		"accents":  "Luxury 5-bedroom villa in Málaga – from €1,200 per week!",
		"mojibake": "schÃ¶ne GrÃ¼ÃŸe aus MÃ¼nchen",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				FixText(text)
			}
		})
	}
}
