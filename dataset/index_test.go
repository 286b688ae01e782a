package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/textground/textground/store"
)

func TestIndexComesBackAsWritten(t *testing.T) {
	st := store.NewMem()
	written := writeSet(t, st, "a", []int{3, 1, 4}, nil)
	opened, err := OpenIndex(t.Context(), st, "a")
	if err != nil {
		t.Fatal(err)
	}
	built, err := BuildIndex(t.Context(), st, "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, ix := range map[string]*Index{"opened": opened, "built from the shards": built} {
		if diff := cmp.Diff(written, ix, cmp.AllowUnexported(Index{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if objects, _ := st.List(t.Context(), "a/0"); len(objects) != 3 || written.Bytes() != objects[0].Size+objects[1].Size+objects[2].Size {
		t.Errorf("%d bytes in %v", written.Bytes(), objects)
	}
	if written.Samples() != 8 || written.Name(4) != `shard 00002.tar, sample "000004"` {
		t.Errorf("%d samples, sample 4 is %s", written.Samples(), written.Name(4))
	}
}

func TestFingerprintChangesWithAnyByte(t *testing.T) {
	a := writeSet(t, store.NewMem(), "", []int{3, 3}, nil)
	b := writeSet(t, store.NewMem(), "other/place", []int{3, 3}, nil)
	c := writeSet(t, store.NewMem(), "", []int{3, 3}, func(all []Sample) { all[5].Caption += "!" })
	if a.Fingerprint != b.Fingerprint {
		t.Error("the same samples at another place have another fingerprint")
	}
	if a.Fingerprint == c.Fingerprint {
		t.Error("a changed caption does not show in the fingerprint")
	}
}

func TestLocateAndIDAreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ix := countedIndex(rapid.SliceOfN(rapid.IntRange(0, 5), 1, 9).Draw(t, "counts")...)
		for id := range ix.Samples() {
			shard, place := ix.Locate(SampleID(id))
			if place < 0 || place >= ix.Shards[shard].Samples || ix.ID(shard, place) != SampleID(id) {
				t.Fatalf("sample %d is at place %d of shard %d", id, place, shard)
			}
		}
	})
}

func TestOpenIndexRefusesWhatDoesNotHoldTogether(t *testing.T) {
	edit := func(from, to string) func([]byte) []byte {
		return func(d []byte) []byte {
			out := bytes.Replace(d, []byte(from), []byte(to), 1)
			if bytes.Equal(out, d) {
				panic("nothing replaced: " + from)
			}
			return out
		}
	}
	cases := map[string]struct {
		change func([]byte) []byte
		want   string
	}{
		"garbage":          {func([]byte) []byte { return []byte("<html>") }, "not a sound index: invalid character"},
		"cut":              {func(d []byte) []byte { return d[:len(d)/2] }, "not a sound index: unexpected EOF"},
		"more after it":    {func(d []byte) []byte { return append(d, '{') }, "there is more after its end"},
		"another format":   {edit("textground-index-1", "textground-index-0"), `its format is "textground-index-0", this build reads "textground-index-1"`},
		"a later format":   {edit(`{"format": "textground-index-1",`, `{"format": "textground-index-2", "parts": [],`), `its format is "textground-index-2"`},
		"an unknown field": {edit(`"samples": 4`, `"sample": 4`), `unknown field "sample"`},
		"a digest changed": {edit(`"sha256":"`, `"sha256":"00`), "is not a SHA-256"},
		"a caption moved":  {edit(`"texts":"A`, `"texts":"/`), "its fingerprint is"},
		"a caption beyond": {edit(`"texts":"AA`, `"texts":"//`), "sample 0 has bytes 63743+25 of 6144"},
		"half a column":    {edit(`"texts":"AA`, `"texts":"`), "a column: illegal base64"},
		"a name changed":   {edit(`"00001.tar"`, `"00002.tar"`), "its fingerprint is"},
		"a name repeated":  {edit(`"00001.tar"`, `"00000.tar"`), "is listed twice"},
		"an escape":        {edit(`"00001.tar"`, `"../1.tar"`), "not a plain path"},
		"wrong sum":        {edit(`"samples": 4`, `"samples": 5`), "it promises 5 samples, its shards have 4"},
		"wrong count":      {edit(`"samples":2`, `"samples":3`), "3 samples and 2 keys"},
		"negative count":   {edit(`"samples":2`, `"samples":-2`), "-2 samples"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			st := store.NewMem()
			writeSet(t, st, "d", []int{2, 2}, nil)
			if err := st.Put(t.Context(), "d/index.json", c.change(readObject(t, st, "d/index.json"))); err != nil {
				t.Fatal(err)
			}
			_, err := OpenIndex(t.Context(), st, "d")
			var broken *IndexError
			if !errors.As(err, &broken) || !strings.Contains(err.Error(), c.want) || !strings.HasSuffix(err.Error(), "run textground data index") {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %v", err)
			}
		})
	}
}

func TestOpenIndexNamesShardsThatAreLostOrCut(t *testing.T) {
	st := store.NewMem()
	writeSet(t, st, "d", []int{2, 2}, nil)
	data := readObject(t, st, "d/00001.tar")
	if err := st.Put(t.Context(), "d/00001.tar", data[:1024]); err != nil {
		t.Fatal(err)
	}
	_, err := OpenIndex(t.Context(), st, "d")
	if err == nil || !strings.HasPrefix(err.Error(), "shard 00001.tar: cut short: it has 1024 bytes, the index says ") {
		t.Errorf("got %v", err)
	}
	if err := st.Delete(t.Context(), "d/00001.tar"); err != nil {
		t.Fatal(err)
	}
	if _, err = OpenIndex(t.Context(), st, "d"); err == nil || !strings.HasPrefix(err.Error(), "shard 00001.tar: the index lists it, but it is not in mem://") {
		t.Errorf("got %v", err)
	}
}

func TestPlacesWithoutDataSaySo(t *testing.T) {
	st := store.NewMem()
	if _, err := OpenIndex(t.Context(), st, "d"); !errors.Is(err, store.ErrNotExist) || !strings.Contains(err.Error(), "d/index.json in mem://: there is no index") {
		t.Errorf("got %v", err)
	}
	if _, err := BuildIndex(t.Context(), st, "d", nil); err == nil || !strings.Contains(err.Error(), `no shard (*.tar) under "d"`) {
		t.Errorf("got %v", err)
	}
	if err := st.Put(t.Context(), "d/0.tar.gz", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := BuildIndex(t.Context(), st, "d", nil); err == nil || !strings.Contains(err.Error(), "it is compressed") {
		t.Errorf("got %v", err)
	}
}

// Whatever the bytes, decoding ends in an error or in an index whose every sample can be found.
func FuzzDecodeIndex(f *testing.F) {
	st := store.NewMem()
	f.Add(writeSet(f, st, "", []int{2, 1}, nil).encode())
	f.Add([]byte(`{"format":"textground-index-1","fingerprint":"","samples":0,"shards":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		ix, err := decodeIndex(data)
		if err != nil {
			return
		}
		for id := range min(ix.Samples(), 1000) {
			ix.Name(SampleID(id))
		}
	})
}

func TestACrawlJoinsTheFingerprintAndNothingElseChangesIt(t *testing.T) {
	st := store.NewMem()
	shard, err := WriteShard(t.Context(), st, "", 0, testSamples(0, 3))
	if err != nil {
		t.Fatal(err)
	}
	plain := newIndex([]Shard{shard}, nil, "")
	crawled, err := WriteCrawlIndex(t.Context(), st, "", []Shard{shard}, &Crawl{Answered: 3, Asked: 5})
	if err != nil {
		t.Fatal(err)
	}
	read, err := OpenIndex(t.Context(), st, "")
	if err != nil || read.Fingerprint != crawled.Fingerprint || *read.Crawl != *crawled.Crawl {
		t.Fatalf("read back %+v, %v", read, err)
	}
	if other := newIndex([]Shard{shard}, &Crawl{Answered: 3, Asked: 6}, ""); plain.Fingerprint == crawled.Fingerprint || other.Fingerprint == crawled.Fingerprint {
		t.Error("the fingerprint does not tell crawls apart")
	}
	if h := sha256.Sum256(append(shardLine(&shard), '\n')); plain.Fingerprint != hex.EncodeToString(h[:]) {
		t.Error("the fingerprint of an index without a crawl has changed")
	}
}
