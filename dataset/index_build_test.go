package dataset

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/textground/textground/store"
)

func TestOnlyShardsThatChangedAreReadAgain(t *testing.T) {
	dir, err := store.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, inner := range []store.Store{store.NewMem(), dir} {
		st := &countingStore{Store: inner}
		writeSet(t, st, "x", []int{3, 3, 3}, nil)
		update := func() (*Index, IndexChanges) {
			t.Helper()
			ix, changes, err := UpdateIndex(t.Context(), st, "x", IndexOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return ix, changes
		}
		first, changes := update()
		if changes.Read != 3 {
			t.Errorf("%s, first time: %+v", inner, changes)
		}
		st.fetches = nil
		if again, changes := update(); again.Fingerprint != first.Fingerprint || changes.Kept != 3 || st.fetches["x/00000.tar"] != 0 {
			t.Errorf("%s, nothing changed: %+v, %v", inner, changes, st.fetches)
		}
		if _, err := WriteShard(t.Context(), st, "x", 1, testSamples(100, 4)); err != nil {
			t.Fatal(err)
		}
		if _, err := WriteShard(t.Context(), st, "x", 3, testSamples(200, 2)); err != nil {
			t.Fatal(err)
		}
		if err := st.Delete(t.Context(), "x/00000.tar"); err != nil {
			t.Fatal(err)
		}
		grown, changes := update()
		if changes.Read != 2 || changes.Kept != 1 || fmt.Sprint(changes.Removed) != "[00000.tar]" || grown.Samples() != 9 {
			t.Errorf("%s, one changed, one new, one gone: %+v", inner, changes)
		}
		whole, err := BuildIndex(t.Context(), st, "x", nil)
		if err != nil || whole.Fingerprint != grown.Fingerprint {
			t.Errorf("%s: read at once, the index is another: %v", inner, err)
		}
	}
}

// pythonTar writes members as Python's tarfile does in one of its formats.
func pythonTar(t *testing.T, format tar.Format, members ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		header := &tar.Header{Name: m[0], Size: int64(len(m[1])), Mode: 0o644, Uname: "bigdata", Gname: "bigdata", Format: format}
		if format == tar.FormatPAX {
			header.PAXRecords = map[string]string{"TEST.mtime": "1700000000.123456"}
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b.Write(make([]byte, (10240-b.Len()%10240)%10240)) // tarfile fills a record of twenty blocks
	return b.Bytes()
}

func TestShardsOfEveryTarFormatAndSpellingAreIndexed(t *testing.T) {
	image := string(testJPEG(1))
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU} {
		st := store.NewMem()
		data := pythonTar(t, format, [2]string{"a.b/0001.JPG", image}, [2]string{"a.b/0001.txt", "one"}, [2]string{"a.b/0001.extra.npy", "..."},
			[2]string{"0002.webp", image}, [2]string{"0002.json", `{"TEXT": "two", "url": "http://x"}`},
			[2]string{"0003.Jpeg", image}, [2]string{"0003.json", `{"status": "ok"}`})
		if err := st.Put(t.Context(), "s/0.tar", data); err != nil {
			t.Fatal(err)
		}
		ix, _, err := UpdateIndex(t.Context(), st, "s", IndexOptions{})
		if err != nil {
			t.Errorf("%v: %v", format, err)
			continue
		}
		var got []string
		for id := range ix.Samples() {
			s, err := ReadSample(t.Context(), st, "s", ix, SampleID(id))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, s.Key+"="+s.Caption)
		}
		if fmt.Sprint(got, ix.Shards[0].Skipped) != "[a.b/0001=one 0002=two] map[no_caption:1 unused_entry:1]" {
			t.Errorf("%v: %v %v", format, got, ix.Shards[0].Skipped)
		}
	}
}

func TestTheNamedCaptionFieldIsPartOfTheFingerprint(t *testing.T) {
	st := store.NewMem()
	data := pythonTar(t, tar.FormatGNU, [2]string{"1.jpg", string(testJPEG(1))}, [2]string{"1.json", `{"caption": "usual", "alt": "named"}`})
	if err := st.Put(t.Context(), "s/0.tar", data); err != nil {
		t.Fatal(err)
	}
	prints := map[string]bool{}
	for field, want := range map[string]string{"": "usual", "alt": "named"} {
		built, _, err := UpdateIndex(t.Context(), st, "s", IndexOptions{CaptionField: field})
		if err != nil {
			t.Fatal(err)
		}
		ix, err := OpenIndex(t.Context(), st, "s")
		if err != nil || ix.Fingerprint != built.Fingerprint {
			t.Fatal(err)
		}
		s, err := ReadSample(t.Context(), st, "s", ix, 0)
		if err != nil || s.Caption != want {
			t.Errorf("field %q: %q, %v", field, s.Caption, err)
		}
		if report, err := Verify(t.Context(), st, "s", nil, nil); err != nil || !report.Sound() {
			t.Errorf("field %q: %+v, %v", field, report, err)
		}
		prints[ix.Fingerprint] = true
	}
	if len(prints) != 2 {
		t.Error("two captions, one fingerprint")
	}
	if _, _, err := UpdateIndex(t.Context(), st, "s", IndexOptions{CaptionField: "none"}); err == nil || !strings.Contains(err.Error(), "no sample") {
		t.Errorf("a field that no sample has: %v", err)
	}
}

func TestStatsCountWhatThereIs(t *testing.T) {
	st := store.NewMem()
	ix := writeSet(t, st, "", []int{4, 4}, func(all []Sample) {
		all[1].Image = testPNG(300, 100)
		all[2].Image = testJPEG(2)[:60]
		all[3].Caption = ""
	})
	s, err := TakeStats(t.Context(), st, "", ix, 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Looked, s.Formats, s.Unusable, s.ShortSide[1].Count, s.Aspect[7].Count, s.Caption[0].Count); got != "8 map[jpg:6 png:1] map[truncated:1] 1 1 1" {
		t.Error(got)
	}
	if some, err := TakeStats(t.Context(), st, "", ix, 3, nil); err != nil || some.Looked != 3 || some.Samples != 8 {
		t.Errorf("%+v, %v", some, err)
	}
}

// Rows 1 to 6 of the table of bad inputs: what a shard may hold, and what becomes of it.
func TestBadInputRowsOneToSix(t *testing.T) {
	good := encodedJPEG(64, 64)
	for name, c := range map[string]struct {
		image  []byte
		reason string // or "" where it decodes
	}{
		"1 30000 x 30000 in 600 bytes": {patched(good, baselineFrame, 5, 0x75, 0x30, 0x75, 0x30), ReasonTooManyPixels},
		"2 truncated":                  {good[:len(good)-20], ReasonTruncated},
		"2 bad Huffman table":          {patched(good, "\xff\xc4", 5, 0xff, 0xff, 0xff, 0xff), ReasonCorrupt},
		"2 no components":              {patched(good, baselineFrame, 9, 0), ReasonCorrupt},
		"2 12 bits":                    {patched(good, baselineFrame, 4, 12), ReasonUnsupported},
		"2 arithmetic coding":          {patched(good, baselineFrame, 0, 0xff, 0xc9), ReasonUnsupported},
		"2 10000 scans":                {manyScans(t, 10_000), ReasonTooManyScans},
		"2 CMYK":                       {readTestImage(t, "cmyk.jpg"), ""},
		"3 60 MB of metadata":          {withMetadata(encodedJPEG(20, 10), 960), ""},
		"3 one pixel":                  {encodedJPEG(1, 1), ""},
		"3 a strip":                    {encodedJPEG(1, 65_500), ""},
		"3 grey":                       {readTestImage(t, "grey.jpg"), ""},
		"4 a PNG named jpg":            {readTestImage(t, "rgb.png"), ""},
		"4 HTML named jpg":             {[]byte("<html>"), ReasonNotAnImage},
		"4 SVG named jpg":              {[]byte("<svg/>"), ReasonNotAnImage},
	} {
		for _, choice := range []string{"go", "turbo"} {
			d, err := OpenJPEGDecoder(choice)
			if err != nil {
				continue // no libjpeg-turbo here
			}
			unpack := func(data []byte) (*Image, error) { return d.decode(DefaultDecodeLimits(), data, whole) }
			_, _, err = decodeSample(c.image, []byte("caption"), nil, "", unpack)
			bad := (*badSample)(nil)
			if errors.As(err, &bad) != (c.reason != "") || bad != nil && bad.reason != c.reason {
				t.Errorf("row %s, %s: %v, want %q", name, choice, err, c.reason)
			}
		}
	}
	t.Run("5 names and kinds of entries", TestStrangeEntriesAreLeftOut)
	t.Run("5 sparse entries", TestSparseEntriesAreLeftOut)
	t.Run("5 duplicates and scattered samples", TestAmbiguousSamplesAreAnError)
	t.Run("6 a shard cut at any byte", TestShardCutAnywhereIsAnError)
	t.Run("6 damaged tar files", TestDamagedTarFiles)
	t.Run("6 damaged shards in a run", TestDamagedShards)
}
