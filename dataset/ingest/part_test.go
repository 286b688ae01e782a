package ingest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// docs/formats has tests for what is exported; this is the one thing that is not.
func TestTheProvenanceOfThePageIsTheProgramsOwn(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "formats", "ingest.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json sample\n")
	want, _, found := strings.Cut(rest, "\n```")
	if !found {
		t.Fatal("the page has no sample")
	}
	var p provenance
	d := json.NewDecoder(bytes.NewReader([]byte(want)))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(p); err != nil || string(got) != want {
		t.Errorf("%s, the page says %s, %v", got, want, err)
	}
}
