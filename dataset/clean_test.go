package dataset

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestCaptionsAreCleanedAsCLIPDoes(t *testing.T) {
	for caption, want := range map[string]string{
		"  A \t photo\u00a0of\u3000a\u2003CAT \n": "a photo of a cat",
		"&amp;lt;b&amp;gt; &amp;amp;amp;":         "<b> &",
		"fish&ampchips &copy 2020":                "fish&chips © 2020",
		"ΟΔΟΣ ΣΑΣ":                                "οδος σας",
		"İstanbul":                                "i\u0307stanbul",
		"STRAßE ﬁsh ＦＩＳＨ":                         "straße fish fish",
		"“Caf\u0065\u0301” — l’ÉTÉ":               `"café" — l'été`,
		"schÃ¶n \x1b[31mred\x1b[0m":               "schön red",
		"a\x00b\x07c\x7f":                         "abc",
		"a\x01&#1;&#28;":                          "a",
		"<b>A &amp; B</b>":                        "<b>a & b</b>",
		"\xff\xfea":                               "\ufffda",
		"":                                        "",
		"\u202eabc\u202c":                         "\u202eabc\u202c",
	} {
		if got := CleanCaption(caption); got != want {
			t.Errorf("%+q becomes %+q, want %+q", caption, got, want)
		}
	}
}

func TestCleanCaptionsAreValidAndTrim(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		caption := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		clean := CleanCaption(caption)
		if !utf8.ValidString(clean) || clean != strings.Join(strings.Fields(clean), " ") {
			t.Fatalf("%+q becomes %+q", caption, clean)
		}
	})
}

func TestOnlyTheFirstMegabyteOfACaptionCounts(t *testing.T) {
	caption := strings.Repeat("é", captionBytes) // cut inside no character
	if got := CleanCaption("x" + caption); len(got) > captionBytes || !strings.HasSuffix(got, "é") || strings.Contains(got, "\ufffd") {
		t.Errorf("%d bytes, ending in %+q", len(got), got[len(got)-4:])
	}
}
