package dataset

import (
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/store"
)

func TestContactSheetShowsGoodAndBadSamples(t *testing.T) {
	st := store.NewMem()
	ix := writeSet(t, st, "d", []int{9}, func(all []Sample) {
		all[1].Image = []byte("<html>")
		all[2].Caption = strings.Repeat("long words and \x1b[31m more ", 100_000)
		all[3].Caption = ""
	})
	var ids []SampleID
	for id := range 9 {
		ids = append(ids, SampleID(id))
	}
	sheet, err := ContactSheet(t.Context(), st, "d", ix, ids)
	if err != nil {
		t.Fatal(err)
	}
	if b := sheet.Bounds(); b.Dx() != 6*sheetCellWide+sheetGap || b.Dy() != 2*sheetCellHigh+sheetGap {
		t.Errorf("a sheet of %v", b)
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                {""},
		"a fish":                          {"a fish"},
		"a fish and a house":              {"a fish and", "a house"},
		"a\x1b[31m fish\u202e\tand\nmore": {"a[31m fish", "and more"},
		"abcdefghijklmnopqrstuvwxyz":      {"abcdefghij", "klmnopqr.."},
	} {
		if got := wrap(text, 10, 2); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
