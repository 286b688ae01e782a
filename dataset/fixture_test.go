package dataset

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/store"
)

// testJPEG is a small picture that differs from number to number.
func testJPEG(number int) []byte {
	r := philox.NewKey(uint64(number), philox.Test).Stream(0, 0, 0)
	img := image.NewRGBA(image.Rect(0, 0, 16, 12))
	for y := range 12 {
		for x := range 16 {
			img.Set(x, y, color.RGBA{uint8(r.Uint32()), uint8(16 * x), uint8(20 * y), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// testSamples makes n samples whose numbers begin at first.
func testSamples(first, n int) []Sample {
	var out []Sample
	for i := first; i < first+n; i++ {
		out = append(out, Sample{Key: fmt.Sprintf("%06d", i), Image: testJPEG(i), Caption: fmt.Sprintf("a photo of thing number %d", i)})
	}
	return out
}

// writeSet writes shards of the given sizes; change, which may be nil, edits the samples first.
func writeSet(t testing.TB, st store.Store, prefix string, sizes []int, change func(all []Sample)) *Index {
	t.Helper()
	total := 0
	for _, n := range sizes {
		total += n
	}
	all := testSamples(0, total)
	if change != nil {
		change(all)
	}
	var shards []Shard
	for i, n := range sizes {
		s, err := WriteShard(t.Context(), st, prefix, i, all[:n])
		if err != nil {
			t.Fatal(err)
		}
		shards, all = append(shards, s), all[n:]
	}
	ix, err := WriteIndex(t.Context(), st, prefix, shards)
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

// testLoader opens a loader of two lanes of three samples; change, which may be nil, edits its configuration.
func testLoader(t testing.TB, st store.Store, prefix string, ix *Index, change func(*LoaderConfig)) *Loader {
	t.Helper()
	plan, err := NewPlan(ix, 7, 2, 3, 8)
	if err != nil {
		t.Fatal(err)
	}
	cfg := LoaderConfig{
		Store: st, Prefix: prefix, Index: ix, Plan: plan, Tokenizer: NewTokenizer(CLIPVocabulary(), 16),
		Augment: AugmentConfig{Flip: 0.5, Gain: 0.1}, ImageSize: 8, Seed: 7,
		CacheBytes: 1 << 20, Ahead: 2, Threads: 2, Log: hclog.NewNullLogger(),
	}
	if change != nil {
		change(&cfg)
	}
	l := NewLoader(cfg)
	t.Cleanup(l.Close)
	return l
}

func readObject(t testing.TB, st store.Store, key string) []byte {
	t.Helper()
	r, err := st.Get(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func testPNG(width, height int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		panic(err)
	}
	return b.Bytes()
}
