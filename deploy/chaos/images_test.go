//go:build cgo

package chaos

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/store"
)

const (
	tinyShards   = "shards/tiny"
	tinyPerShard = 24
	tinyWorld    = "\n  world: {scenes: 96, seed: 2, per_shard: 24}"
)

// ownPairs draws the tiny world, lets change have its way with the pairs, writes them as anybody's shards, and returns a run
// file that takes them as they are.
func (p *place) ownPairs(change func(pairs []dataset.Sample)) (file string) {
	p.t.Helper()
	st, err := store.OpenDir(filepath.Join(p.dir, "runs", "store"))
	if err != nil {
		p.t.Fatal(err)
	}
	drawn := store.NewMem()
	if err := world.WriteShards(p.t.Context(), drawn, tinyShards, world.Config{Scenes: 96, Size: world.Size, Seed: 2}, tinyPerShard, nil); err != nil {
		p.t.Fatal(err)
	}
	index, err := dataset.OpenIndex(p.t.Context(), drawn, tinyShards)
	if err != nil {
		p.t.Fatal(err)
	}
	pairs := make([]dataset.Sample, index.Samples())
	for i := range pairs {
		if pairs[i], err = dataset.ReadSample(p.t.Context(), drawn, tinyShards, index, dataset.SampleID(i)); err != nil {
			p.t.Fatal(err)
		}
	}
	change(pairs)
	var shards []dataset.Shard
	for pairs := range slices.Chunk(pairs, tinyPerShard) {
		shard, err := dataset.WriteShard(p.t.Context(), st, tinyShards, len(shards), pairs)
		if err != nil {
			p.t.Fatal(err)
		}
		shards = append(shards, shard)
	}
	if _, err := dataset.WriteIndex(p.t.Context(), st, tinyShards, shards); err != nil {
		p.t.Fatal(err)
	}
	return p.edited(tinyWorld, "")
}

// logOf is everything that the run's processes wrote down.
func (p *place) logOf(run string) string {
	p.t.Helper()
	paths, err := filepath.Glob(filepath.Join(p.runDir(run), "logs", "*.log"))
	if err != nil || len(paths) == 0 {
		p.t.Fatalf("logs of run %s: %v, %v", run, paths, err)
	}
	var all strings.Builder
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			p.t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}

const webPage = "<!DOCTYPE html><title>404 not found</title>"

// bomb is a JPEG of some hundred bytes that claims 30 000 x 30 000 pixels.
func bomb(t *testing.T) []byte {
	data := encoded(t, image.NewYCbCr(image.Rect(0, 0, 8, 8), image.YCbCrSubsampleRatio420))
	frame := bytes.Index(data, []byte("\xff\xc0\x00\x11\x08"))
	if frame < 0 {
		t.Fatal("the JPEG has no baseline frame")
	}
	copy(data[frame+5:], "\x75\x30\x75\x30")
	return data
}

func encoded(t *testing.T, picture image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Three bad pairs of 96 are what chance makes of 1 %. They are skipped alike by any number of workers.
func TestImagesThatAreNoneAreSkippedCountedAndNamed(t *testing.T) {
	p := newPlace(t)
	file := p.ownPairs(func(pairs []dataset.Sample) {
		pairs[5].Image = bomb(t)
		pairs[40].Image = []byte(webPage)
		pairs[77].Image = pairs[77].Image[:len(pairs[77].Image)/2]
	})
	alone := p.start("train", file, "--json", "--page", "", "--workers", "1", "--run", "alone")
	one := alone.result()
	if two := p.start("train", file, "--json", "--page", "", "--workers", "2").result(); one.Step != 12 || one.ParamsSHA256 != two.ParamsSHA256 {
		t.Errorf("step %d, parameters %s by one worker and %s by two", one.Step, one.ParamsSHA256, two.ParamsSHA256)
	}
	log := p.logOf("alone")
	for sample, reason := range map[string]string{"000000005": "too_many_pixels", "000000040": "not_an_image", "000000077": "truncated"} {
		names := func(line string) bool {
			return strings.Contains(line, sample) && strings.Contains(line, "reason="+reason)
		}
		if !slices.ContainsFunc(strings.Split(log, "\n"), names) {
			t.Errorf("no line of the log names %s as %s:\n%s", sample, reason, log)
		}
	}
	want := "3 samples cannot be used (1 not_an_image, 1 too_many_pixels, 1 truncated)"
	if text := alone.errs.String(); !strings.Contains(text, want) || !strings.Contains(text, "textground data verify "+tinyShards) {
		t.Errorf("%q was not said where the run was started:\n%s", want, text)
	}
	code, out, _ := p.run("data", "verify", tinyShards, "--json")
	var report dataset.VerifyReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if code != 1 || len(report.BadSamples) != 3 || report.BadSamples["truncated"] != 1 {
		t.Errorf("data verify: code %d, %+v", code, report)
	}
}

// From step 6 on nearly all images are web pages: the run stops, and what was sealed before stays.
func TestMoreThanOnePercentOfBadImagesStopsTheRunAndLosesNothing(t *testing.T) {
	p := newPlace(t)
	file := p.ownPairs(func(pairs []dataset.Sample) {
		for _, id := range p.samplesOf(6, 8) {
			pairs[id].Image = []byte(webPage)
		}
	})
	p.refused([]string{"of", "samples cannot be used", "not_an_image", "more than the 1 % that is allowed", "textground data verify"},
		"train", file, "--page", "", "--workers", "2", "--run", "spoilt")
	code, out, _ := p.run("checkpoint", "verify", "spoilt")
	if code != 0 || !strings.Contains(out, "step 4: sound") {
		t.Errorf("the checkpoint of before is gone: code %d\n%s", code, out)
	}
}

// samplesOf lists the pairs that the steps [from, to) of the tiny run take.
func (p *place) samplesOf(from, to int) []dataset.SampleID {
	p.t.Helper()
	shards := make([]dataset.Shard, 96/tinyPerShard)
	for i := range shards {
		shards[i] = dataset.Shard{Samples: tinyPerShard}
	}
	plan, err := dataset.NewPlan(indexOf(p.t, shards), 7, 6, 2, 48)
	if err != nil {
		p.t.Fatal(err)
	}
	var ids []dataset.SampleID
	for step := from; step < to; step++ {
		for lane := range 6 {
			ids = append(ids, plan.Samples(step, lane)...)
		}
	}
	return ids
}

// indexOf is an index of shards that are nowhere.
func indexOf(t *testing.T, shards []dataset.Shard) *dataset.Index {
	t.Helper()
	index, err := dataset.WriteIndex(t.Context(), store.NewMem(), "", shards)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// Grey and CMYK JPEGs, PNG and WebP named .jpg, captions of nothing and of a megabyte: unusual, and used.
func TestUnusualPairsAreUsed(t *testing.T) {
	images := filepath.Join(root, "dataset", "testdata", "images")
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(images, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	grey := image.NewGray(image.Rect(0, 0, 40, 30))
	grey.SetGray(3, 4, color.Gray{Y: 200})
	var portable bytes.Buffer
	if err := png.Encode(&portable, grey); err != nil {
		t.Fatal(err)
	}
	p := newPlace(t)
	file := p.ownPairs(func(pairs []dataset.Sample) {
		for i, data := range [][]byte{encoded(t, grey), read("cmyk.jpg"), portable.Bytes(), read("lossy.webp"), read("progressive.jpg")} {
			pairs[10*i].Image = data
		}
		pairs[3].Caption = ""
		pairs[33].Caption = strings.Repeat("a fish beside a tree, ", 1<<20/22)
		pairs[63].Caption = "\x00\xff<|endoftext|>\u202e\x1b[31m<script>"
	})
	one := p.start("train", file, "--json", "--page", "", "--workers", "1", "--run", "alone").result()
	two := p.start("train", file, "--json", "--page", "", "--workers", "3", "--run", "three").result()
	if one.Step != 12 || one.ParamsSHA256 != two.ParamsSHA256 {
		t.Errorf("step %d, parameters %s by one worker and %s by three", one.Step, one.ParamsSHA256, two.ParamsSHA256)
	}
	if log := p.logOf("alone"); strings.Contains(log, "cannot be used") || strings.Contains(log, "\x1b[31m") {
		t.Errorf("a pair was left out, or a caption reached the log unescaped:\n%s", log)
	}
	if code, out, stderr := p.run("data", "verify", tinyShards); code != 0 {
		t.Errorf("data verify: code %d\n%s%s", code, out, stderr)
	}
}

// The checkpoint that was sealed before the damage stays, and the run goes on once the damage is mended.
func TestShardsThatAreNotWhatTheIndexSaysAreNamed(t *testing.T) {
	p := newPlace(t)
	file := p.ownPairs(func([]dataset.Sample) {})
	p.start("train", file, "--page", "", "--workers", "1", "--run", "whole", "--steps", "4", "--json").result()
	dir := filepath.Join(p.dir, "runs", "store", tinyShards)
	for _, c := range []struct {
		what, file string
		damage     func(t *testing.T, path string)
		says       []string
	}{
		{"shard cut short", "00001.tar", truncate, []string{"cut short", "bytes"}},
		{"shard gone", "00002.tar", remove, []string{"the index lists it"}},
		{"one bit of a shard", "00001.tar", func(t *testing.T, path string) { flipBit(t, path, 700) }, []string{"digest"}},
		{"one digit of the index", "index.json", flipDigit, []string{"fingerprint"}},
		{"index cut short", "index.json", truncate, []string{"not a sound index"}},
		{"no index", "index.json", remove, []string{"there is no index"}},
		{"index of other shards", "index.json", func(t *testing.T, path string) {
			overwrite(t, path, strings.ReplaceAll(contents(t, path), "00001.tar", "00009.tar"))
		}, []string{"fingerprint"}},
	} {
		path := filepath.Join(dir, c.file)
		before := contents(t, path)
		c.damage(t, path)
		t.Log(c.what)
		p.refused(append(c.says, c.file, "textground data index"), "train", file, "--page", "", "--workers", "1", "--run", "whole")
		overwrite(t, path, before)
	}
	if code, out, stderr := p.run("checkpoint", "verify", "whole"); code != 0 || !strings.Contains(out, "step 4: sound") {
		t.Errorf("the checkpoint of before: code %d\n%s%s", code, out, stderr)
	}
	mustEqualTruth(t, p.start("resume", "whole", "--json", "--page", "", "--workers", "1").result())
}

func contents(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// flipDigit changes the first digit of the first shard's digest, which stays a digest.
func flipDigit(t *testing.T, path string) {
	t.Helper()
	const key = `"sha256":"`
	data := []byte(contents(t, path))
	at := bytes.Index(data, []byte(key))
	if at < 0 {
		t.Fatalf("%s has no %s", path, key)
	}
	digit := &data[at+len(key)]
	if *digit = *digit ^ 1; !strings.ContainsRune("0123456789abcdef", rune(*digit)) {
		*digit = '0'
	}
	overwrite(t, path, string(data))
}
