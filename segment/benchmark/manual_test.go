package benchmark

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheCardOfTheManualIsRead(t *testing.T) {
	page := string(must(os.ReadFile(filepath.Join("..", "..", "docs", "segmentation-benchmarks.md"))))
	_, rest, _ := strings.Cut(page, "```json\n")
	text, _, found := strings.Cut(rest, "```")
	if card, err := ReadCard([]byte(text)); !found || err != nil || card.Images != 2 {
		t.Errorf("%v: %s", err, text)
	}
	for _, b := range All() {
		for _, word := range []string{"| `" + b.Name + "` |", b.layout.images, b.layout.labelEnding, b.layout.split} {
			if !strings.Contains(page, word) {
				t.Errorf("%s: the page does not say %q", b.Name, word)
			}
		}
	}
}
