package dataset

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/textground/textground/store"
)

// entry is one line of a tar file made by a test.
type entry struct {
	header tar.Header
	data   string
}

func file(name, data string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, data}
}

func makeTar(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.header.Size = int64(len(e.data))
		if err := w.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestShardBytesDependOnTheSamplesOnly(t *testing.T) {
	a, errA := packShard("a.tar", testSamples(3, 4))
	b, errB := packShard("b.tar", testSamples(3, 4))
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("two shards of the same samples differ (%v, %v)", errA, errB)
	}
}

func TestEverySampleIsWhereTheIndexSays(t *testing.T) {
	samples := testSamples(0, 9)
	samples[2].Mask = testPNG(16, 12)
	samples[3].Image = testPNG(5, 5)
	st := store.NewMem()
	shard, err := WriteShard(t.Context(), st, "a/b", 3, samples)
	if err != nil {
		t.Fatal(err)
	}
	ix, err := WriteIndex(t.Context(), st, "a/b", []Shard{shard})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range samples {
		got, err := ReadSample(t.Context(), st, "a/b", ix, SampleID(i))
		if err != nil {
			t.Fatal(err)
		}
		if got.Key != want.Key || got.Caption != want.Caption || !bytes.Equal(got.Image, want.Image) || !bytes.Equal(got.Mask, want.Mask) {
			t.Errorf("sample %d came back changed", i)
		}
	}
}

// What img2dataset writes: a text, a JSON object with much else, a key with a directory; and JSON alone.
func TestShardsOfOthers(t *testing.T) {
	st := store.NewMem()
	picture := string(testJPEG(1))
	data := makeTar(t,
		entry{header: tar.Header{Name: "part/", Typeflag: tar.TypeDir}},
		file("part/000.JPG", picture), file("part/000.json", `{"caption": "not this", "width": 16}`), file("part/000.txt", "A dog"), file("part/000.cls", "3"),
		file("part/001.jpeg", picture), file("part/001.json", `{"caption": "A cat", "url": "x"}`),
		file("part/002.jpg", picture),
		file("part/003.txt", "no picture"),
		file("part/004.txt", ""), file("part/004.png", picture),
		file("README", "hello"), file(".hidden.jpg", picture),
	)
	if err := st.Put(t.Context(), "x/00000.tar", data); err != nil {
		t.Fatal(err)
	}
	ix, err := BuildIndex(t.Context(), st, "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	var captions []string
	for id := range ix.Samples() {
		s, err := ReadSample(t.Context(), st, "x", ix, SampleID(id))
		if err != nil {
			t.Fatal(err)
		}
		captions = append(captions, s.Key+"="+s.Caption)
	}
	if got := strings.Join(captions, " "); got != "part/000=A dog part/001=A cat part/004=" {
		t.Errorf("samples %q", got)
	}
	want := map[string]int{"directory": 1, "unused_entry": 3, "no_caption": 1, "no_image": 1}
	if !maps.Equal(ix.Shards[0].Skipped, want) {
		t.Errorf("skipped %v, want %v", ix.Shards[0].Skipped, want)
	}
}

// reliability.md section 5.5, row 5: such entries are left out and counted, whatever stands beside them is used.
func TestStrangeEntriesAreLeftOut(t *testing.T) {
	picture := string(testJPEG(1))
	cases := map[string]entry{
		"name_with_dot_dot":           file("../../x.jpg", picture),
		"name_absolute":               file("/etc/x.jpg", picture),
		"name_with_control_character": file("a\x01b.jpg", picture),
		"name_too_long":               file(strings.Repeat("n", 10_000)+".jpg", picture),
		"name_not_utf8":               {tar.Header{Name: "\xff\xfe.jpg", Typeflag: tar.TypeReg, Format: tar.FormatGNU}, picture},
		"symbolic_link":               {header: tar.Header{Name: "l.jpg", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}},
		"hard_link":                   {header: tar.Header{Name: "l.jpg", Typeflag: tar.TypeLink, Linkname: "a.jpg"}},
		"not_a_regular_file":          {header: tar.Header{Name: "d.jpg", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}},
	}
	for reason, strange := range cases {
		t.Run(reason, func(t *testing.T) {
			data := makeTar(t, file("con.jpg", picture), file("con.txt", "a"), strange, file("b.jpg", picture), file("b.txt", "b"))
			s, err := scanShard(bytes.NewReader(data), "00000.tar", "")
			if err != nil {
				t.Fatal(err)
			}
			if s.Samples != 2 || s.Skipped[reason] != 1 || len(s.Skipped) != 1 {
				t.Errorf("%d samples, skipped %v", s.Samples, s.Skipped)
			}
		})
	}
}

func TestSparseEntriesAreLeftOut(t *testing.T) {
	data := makeTar(t, file("a.jpg", "x"), file("a.txt", "a"))
	data[156] = tar.TypeGNUSparse // the type of the first header
	copy(data[257:], "ustar  \x00")
	clear(data[345:512])
	copy(data[483:], "00000000001\x00") // its real size
	resum(data[:512])
	s, err := scanShard(bytes.NewReader(data), "00000.tar", "")
	if err == nil && (s.Samples != 0 || s.Skipped["sparse_file"] != 1) {
		t.Errorf("%d samples, skipped %v", s.Samples, s.Skipped)
	}
}

// resum writes the checksum of a tar header.
func resum(header []byte) {
	copy(header[148:156], "        ")
	sum := 0
	for _, b := range header {
		sum += int(b)
	}
	copy(header[148:], []byte{byte('0' + sum>>15&7), byte('0' + sum>>12&7), byte('0' + sum>>9&7), byte('0' + sum>>6&7), byte('0' + sum>>3&7), byte('0' + sum&7), 0, ' '})
}

func TestAmbiguousSamplesAreAnError(t *testing.T) {
	picture := string(testJPEG(1))
	cases := map[string][]entry{
		"it has a second image, \"a.png\"":         {file("a.jpg", picture), file("a.png", picture), file("a.txt", "a")},
		"it has a second caption, \"a.txt\"":       {file("a.jpg", picture), file("a.txt", "a"), file("a.txt", "b")},
		"its entries do not stand together":        {file("a.jpg", picture), file("b.jpg", picture), file("a.txt", "a"), file("b.txt", "b")},
		"its entries do not stand together, or tw": {file("a.jpg", picture), file("a.txt", "a"), file("b.jpg", picture), file("b.txt", "b"), file("a.jpg", picture), file("a.txt", "c")},
	}
	for want, entries := range cases {
		_, err := scanShard(bytes.NewReader(makeTar(t, entries...)), "00007.tar", "")
		var shard *ShardError
		if !errors.As(err, &shard) || !strings.Contains(err.Error(), `shard 00007.tar, sample "a": `+want) || shard.Mend == "" {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Row 6: a shard that was cut anywhere is an error of the scan; none is taken for a shorter shard.
func TestShardCutAnywhereIsAnError(t *testing.T) {
	data, err := packShard("x", testSamples(0, 3))
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if n > 1600 && n%7 != 0 && n%512 != 0 {
			continue
		}
		s, err := scanShard(bytes.NewReader(data[:n]), "00000.tar", "")
		var shard *ShardError
		if !errors.As(err, &shard) {
			t.Fatalf("cut at %d of %d: %d samples, error %v", n, len(data), s.Samples, err)
		}
	}
	if _, err := scanShard(bytes.NewReader(data), "00000.tar", ""); err != nil {
		t.Error(err)
	}
}

func TestDamagedTarFiles(t *testing.T) {
	whole, err := packShard("x", testSamples(0, 2))
	if err != nil {
		t.Fatal(err)
	}
	huge := bytes.Clone(whole)
	copy(huge[124:], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff") // a size of 2^63 - 1 in base 256
	resum(huge[:512])
	sum := bytes.Clone(whole)
	sum[148] ^= 1
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(whole)
	z.Close()
	zeroTail := bytes.Clone(whole)
	clear(zeroTail[len(zeroTail)-2500:])
	for name, data := range map[string][]byte{
		"size of 2^63-1": huge, "wrong checksum": sum, "gzip": packed.Bytes(), "zeros over the last sample": zeroTail,
		"bytes after the end": append(bytes.Clone(whole), 1), "text": []byte("<html>"), "nothing": nil,
	} {
		s, err := scanShard(bytes.NewReader(data), "00000.tar", "")
		if name == "zeros over the last sample" && err == nil {
			// Only the digest of the index can tell: the file is a sound tar of fewer samples.
			if want, _ := scanShard(bytes.NewReader(whole), "00000.tar", ""); want.SHA256 == s.SHA256 {
				t.Error("zeros over the last sample do not change the digest")
			}
			continue
		}
		var shard *ShardError
		if !errors.As(err, &shard) {
			t.Errorf("%s: %d samples, error %v", name, s.Samples, err)
		}
	}
}

// Any samples, packed and scanned, stand where the scan says.
func TestAnySamplesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9_-]{1,30}`), 1, 6, rapid.ID[string]).Draw(t, "keys")
		var samples []Sample
		for _, key := range keys {
			s := Sample{Key: key, Caption: rapid.String().Draw(t, "caption"), Image: rapid.SliceOfN(rapid.Byte(), 0, 1500).Draw(t, "image")}
			if rapid.Bool().Draw(t, "masked") {
				s.Mask = rapid.SliceOfN(rapid.Byte(), 1, 600).Draw(t, "mask")
			}
			samples = append(samples, s)
		}
		data, err := packShard("x", samples)
		if err != nil {
			t.Fatal(err)
		}
		shard, err := scanShard(bytes.NewReader(data), "x", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := shard.check(); err != nil {
			t.Fatal(err)
		}
		if shard.Samples != len(samples) || shard.Skipped != nil || shard.Size != int64(len(data)) {
			t.Fatalf("%d samples came back as %d, skipped %v", len(samples), shard.Samples, shard.Skipped)
		}
		at := func(column Column, place int) []byte {
			s := column.at(place)
			return data[s.offset : s.offset+s.length]
		}
		for i, s := range samples {
			if shard.key(i) != s.Key || !bytes.Equal(at(shard.Images, i), s.Image) || string(at(shard.Texts, i)) != s.Caption || !bytes.Equal(at(shard.Masks, i), s.Mask) {
				t.Fatalf("sample %d came back changed", i)
			}
		}
	})
}

func TestKeysThatWouldNotComeBackAreRefused(t *testing.T) {
	for _, key := range []string{"", "a.b", "a/b", "..", "a\nb", "\xff", strings.Repeat("k", 300)} {
		if _, err := packShard("x", []Sample{{Key: key}}); err == nil {
			t.Errorf("key %q was written", key)
		}
	}
}

// Whatever a shard holds, the scan ends with samples inside the file or with an error, and both are the same each time.
func FuzzScanShard(f *testing.F) {
	whole, err := packShard("x", testSamples(0, 2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:1024])
	f.Add(makeTar(f, file("../a.jpg", "x"), file("a.json", `{"caption":1}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := scanShard(bytes.NewReader(data), "00000.tar", "")
		if err != nil {
			return
		}
		if s.Samples == 0 {
			return
		}
		if err := s.check(); err != nil {
			t.Fatalf("a scanned shard is not sound: %v", err)
		}
		for place := range s.Samples {
			at := s.Images.at(place)
			_ = data[at.offset : at.offset+at.length]
		}
	})
}
