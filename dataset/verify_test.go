package dataset

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/store"
)

func TestVerifyFindsEverything(t *testing.T) {
	st := store.NewMem()
	ix := writeSet(t, st, "d", []int{4, 4, 4, 4}, func(all []Sample) {
		all[2].Image = []byte("<html>")
		all[14].Image = testJPEG(14)[:300]
	})
	cut := readObject(t, st, "d/00001.tar")
	if err := st.Put(t.Context(), "d/00001.tar", cut[:len(cut)-1]); err != nil {
		t.Fatal(err)
	}
	if err := st.Delete(t.Context(), "d/00002.tar"); err != nil {
		t.Fatal(err)
	}
	var found []string
	var done []int
	report, err := Verify(t.Context(), st, "d", func(err error) { found = append(found, err.Error()) }, func(n, _ int) { done = append(done, n) })
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`shard 00000.tar, sample "000002": it cannot be used: not_an_image`, "shard 00001.tar: cut short", "shard 00002.tar: the index lists it", `shard 00003.tar, sample "000014": it cannot be used: truncated`}
	if !slices.EqualFunc(found, want, strings.HasPrefix) {
		t.Errorf("found %q", found)
	}
	if report.Sound() || report.Shards != 4 || report.BadShards != 2 || report.Samples != 8 || report.Fingerprint != ix.Fingerprint ||
		!maps.Equal(report.BadSamples, map[string]int{ReasonNotAnImage: 1, ReasonTruncated: 1}) {
		t.Errorf("%+v", report)
	}
	if !slices.Equal(done, []int{1, 2, 3, 4}) {
		t.Errorf("progress %v", done)
	}
}

func TestVerifyOfASoundSet(t *testing.T) {
	st := store.NewMem()
	writeSet(t, st, "", []int{3}, nil)
	report, err := Verify(t.Context(), st, "", func(err error) { t.Error(err) }, nil)
	if err != nil || !report.Sound() || report.Samples != 3 {
		t.Errorf("%+v, %v", report, err)
	}
}

// An index that promises samples where the shard has others, with the right digest all the same.
func TestVerifyComparesTheIndexWithTheShard(t *testing.T) {
	st := store.NewMem()
	ix := writeSet(t, st, "", []int{3}, nil)
	ix.Shards[0].Images[0]++
	if _, err := WriteIndex(t.Context(), st, "", ix.Shards); err != nil {
		t.Fatal(err)
	}
	var found []error
	report, err := Verify(t.Context(), st, "", func(err error) { found = append(found, err) }, nil)
	if err != nil || report.BadShards != 1 || len(found) != 1 || !strings.Contains(found[0].Error(), "the index has 3 samples at places") {
		t.Errorf("%+v, %v, %v", report, found, err)
	}
}
