// Package formats holds the examples of the pages beside it to the program that they describe.
package formats

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/coordinator"
	"github.com/textground/textground/dataset"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/store"
)

// example returns the block of a page whose fence says what.
func example(t *testing.T, page, what string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```"+what+"\n")
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatalf("%s has no block %q", page, what)
	}
	return block
}

// same decodes text strictly into a T and checks that encoding it again says as much.
func same[T any](t *testing.T, text string) {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Errorf("%T: %v in %s", v, err, text)
		return
	}
	again, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if want.String() != string(again) {
		t.Errorf("%T: the page says\n%s\nthe program would write\n%s", v, want.String(), again)
	}
}

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }

func TestTheManifestOfThePageIsSound(t *testing.T) {
	m, err := checkpoint.DecodeManifest([]byte(example(t, "checkpoint.md", "json")))
	if err != nil {
		t.Fatal(err)
	}
	if m.Step != 12 || len(m.Parameters) != 2 {
		t.Errorf("%+v", m)
	}
}

func TestTheIndexOfThePageIsSound(t *testing.T) {
	st := store.NewMem()
	if err := st.Put(t.Context(), "shards/index.json", []byte(example(t, "index.md", "json"))); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"00000.tar": 10752, "00001.tar": 5632} {
		if err := st.Put(t.Context(), "shards/"+name, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	ix, err := dataset.OpenIndex(t.Context(), st, "shards")
	if err != nil {
		t.Fatal(err)
	}
	if ix.Samples() != 3 {
		t.Errorf("%d samples", ix.Samples())
	}
}

func TestTheRecordsOfThePageAreTheProgramsOwn(t *testing.T) {
	for _, line := range lines(example(t, "records.md", "jsonl metrics")) {
		same[coordinator.Metrics](t, line)
	}
	for _, line := range lines(example(t, "records.md", "jsonl journal")) {
		same[coordinator.Entry](t, line)
	}
	for _, line := range lines(example(t, "records.md", "jsonl evaluations")) {
		same[coordinator.Evaluation](t, line)
	}
}

func TestTheRunDirectoryOfThePageIsTheProgramsOwn(t *testing.T) {
	same[coordinator.Status](t, example(t, "run-directory.md", "json status"))
	same[coordinator.Result](t, example(t, "run-directory.md", "json result"))
	var record struct{ File json.RawMessage }
	if err := json.Unmarshal([]byte(example(t, "run-directory.md", "json run")), &record); err != nil {
		t.Fatal(err)
	}
	same[proto.RunFile](t, string(record.File))
}

func TestTheRunFileOfThePageIsAccepted(t *testing.T) {
	if _, err := proto.ParseRunFile("run-file.md", []byte(example(t, "run-file.md", "yaml run file"))); err != nil {
		t.Error(err)
	}
}

// The table names every key and no other.
func TestThePageListsEveryKeyOfARunFile(t *testing.T) {
	listed := listedKeys(t)
	defaults := proto.Defaults()
	defaults.Data.World = &proto.World{}
	var all map[string]any
	if err := json.Unmarshal(defaults.Canonical(), &all); err != nil {
		t.Fatal(err)
	}
	for key := range all {
		if !slices.Contains(listed, key) {
			t.Errorf("the page does not list %s", key)
		}
	}
	for _, key := range listed {
		if _, known := all[key]; !known {
			t.Errorf("the page lists %s, which run files do not have", key)
		}
	}
}

// listedKeys reads the first column of the table: "`a.b` `.c`" names a.b and a.c.
func listedKeys(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("run-file.md")
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`([a-z0-9_.]+)`")
	var keys []string
	for _, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		parent := ""
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			key := m[1]
			if tail, short := strings.CutPrefix(key, "."); short {
				key = parent + tail
			}
			parent = key[:strings.LastIndex(key, ".")+1]
			keys = append(keys, key)
		}
	}
	return keys
}
