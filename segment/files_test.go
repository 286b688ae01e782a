package segment

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/store"
)

// labelMaps draws label maps with few labels, so that runs have every length.
func labelMaps(t *rapid.T, labels int) *LabelMap {
	width, height := rapid.IntRange(1, 40).Draw(t, "width"), rapid.IntRange(1, 40).Draw(t, "height")
	var pix []uint8
	every := rapid.IntRange(1, 2000).Draw(t, "every")
	now := uint8(0)
	for i := range width * height {
		if i%every == 0 {
			now = uint8(rapid.IntRange(0, labels-1).Draw(t, "label"))
		}
		pix = append(pix, now)
	}
	return NewLabelMap(height, width, pix)
}

// unpackRuns is the inverse of packRuns.
func unpackRuns(packed string) []int {
	var runs []int
	for i := 0; i < len(packed); {
		n, shift, more := 0, 0, true
		for more {
			group := int(packed[i]) - 48
			n |= group & 31 << shift
			shift += 5
			if more = group&32 != 0; !more && group&16 != 0 {
				n |= -1 << shift
			}
			i++
		}
		if len(runs) > 2 {
			n += runs[len(runs)-2]
		}
		runs = append(runs, n)
	}
	return runs
}

func TestRunLengthsHoldTheMask(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		labels := labelMaps(t, 3)
		rle := labels.RLE(1)
		var pix []uint8 // down the columns
		for i, n := range unpackRuns(rle.Counts) {
			pix = append(pix, bytes.Repeat([]byte{uint8(i % 2)}, n)...)
		}
		height, width := labels.Size()
		if len(pix) != height*width || rle.Size != [2]int{height, width} {
			t.Fatalf("%d pixels of %dx%d", len(pix), width, height)
		}
		for i, v := range pix {
			if y, x := i%height, i/height; (labels.Pix()[y*width+x] == 1) != (v == 1) {
				t.Fatalf("pixel (%d, %d)", x, y)
			}
		}
	})
}

// Strings that COCO's own tools (pycocotools 2.0) make of the same masks.
func TestRunLengthsAreThoseOfCOCO(t *testing.T) {
	for _, test := range []struct {
		width, height int
		inside        func(x, y int) bool
		counts        string
	}{
		{23, 17, func(x, y int) bool { return (y*7+x*13+y*x)%11 < 4 }, "0110100000O0111OO10O10O11010221O;1E0JN2010O0OO10O10O20N0O0100000O00030M0000050K0000030M000100000O0111OO10O10O11010221O;1E0JN2010O0OO10O10O20N0O0100000O00030M0000050K0000030M000100000O010"},
		{200, 300, func(x, y int) bool { return x == 0 && y == 0 || x >= 30 && x < 180 && y >= 40 && y < 260 }, "01_j8k6QXG" + strings.Repeat("0", 297) + "Xj5"},
		{4, 5, func(int, int) bool { return true }, "0d0"},
		{4, 5, func(int, int) bool { return false }, "d0"},
	} {
		l := NewLabelMap(test.height, test.width, make([]uint8, test.width*test.height))
		for i := range l.Pix() {
			if test.inside(i%test.width, i/test.width) {
				l.Pix()[i] = 7
			}
		}
		if have := l.RLE(7).Counts; have != test.counts {
			t.Errorf("%dx%d: %q", test.width, test.height, have)
		}
	}
}

func TestLabelMapsComeBackFromTheirPNG(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		labels := labelMaps(t, 256)
		var file bytes.Buffer
		if err := labels.WritePNG(&file, rapid.Bool().Draw(t, "background")); err != nil {
			t.Fatal(err)
		}
		back, err := ReadLabels(file.Bytes())
		if err != nil || !slices.Equal(back.Pixels.Shape(), labels.Pixels.Shape()) || !slices.Equal(back.Pix(), labels.Pix()) {
			t.Fatalf("%v", err)
		}
	})
}

func encoded(t testing.TB, img image.Image) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestPicturesOfColoursAreNoLabelMaps(t *testing.T) {
	if _, err := ReadLabels(encoded(t, image.NewRGBA(image.Rect(0, 0, 2, 2)))); err == nil || !strings.Contains(err.Error(), "of colours") {
		t.Errorf("error %v", err)
	}
}

func TestLabelsAreNumbersAtEveryBitDepth(t *testing.T) {
	wide := image.NewGray16(image.Rect(0, 0, 3, 2))
	for i, v := range []uint16{0, 1, 150, 7, 254, 255} {
		wide.SetGray16(i%3, i/3, color.Gray16{Y: v})
	}
	if have := must(ReadLabels(encoded(t, wide))).Pix(); !slices.Equal(have, []uint8{0, 1, 150, 7, 254, 255}) {
		t.Errorf("16 bits: %v", have)
	}
	wide.SetGray16(2, 1, color.Gray16{Y: 300})
	if _, err := ReadLabels(encoded(t, wide)); err == nil || !strings.Contains(err.Error(), "label 300 at (2, 1)") {
		t.Errorf("16 bits: error %v", err)
	}
	for bits, want := range map[uint8][]uint8{1: {1, 0, 1, 0}, 2: {2, 3, 0, 1}, 4: {11, 1, 0, 14}} {
		if have := must(ReadLabels(narrowPNG(bits, want))).Pix(); !slices.Equal(have, want) {
			t.Errorf("%d bits: %v, not %v", bits, have, want)
		}
	}
}

// narrowPNG is one row of grey with less than 8 bits a pixel, which image/png cannot write.
func narrowPNG(bits uint8, row []uint8) []byte {
	packed, at := []byte{0, 0, 0}, 0 // the first byte is the row's filter
	for _, v := range row {
		packed[1+at/8] |= v << (8 - int(bits) - at%8)
		at += int(bits)
	}
	var data bytes.Buffer
	z := zlib.NewWriter(&data)
	z.Write(packed[:1+(at+7)/8])
	z.Close()
	file := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		file = binary.BigEndian.AppendUint32(file, uint32(len(data)))
		body := append([]byte(kind), data...)
		file = binary.BigEndian.AppendUint32(append(file, body...), crc32.ChecksumIEEE(body))
	}
	chunk("IHDR", []byte{0, 0, 0, uint8(len(row)), 0, 0, 0, 1, bits, 0, 0, 0, 0})
	chunk("IDAT", data.Bytes())
	chunk("IEND", nil)
	return file
}

func FuzzReadLabels(f *testing.F) {
	f.Add(encoded(f, image.NewGray(image.Rect(0, 0, 3, 2))))
	f.Add(encoded(f, image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.Black, color.White})))
	f.Fuzz(func(t *testing.T, data []byte) {
		if labels, err := ReadLabels(data); err == nil && labels.Pixels.Dims() != 2 {
			t.Errorf("labels of shape %v", labels.Pixels.Shape())
		}
	})
}

func TestConfusionCountsEveryPixelThatIsNotIgnored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		truth := labelMaps(t, 4)
		height, width := truth.Size()
		right, pix := truth.Pix(), make([]uint8, height*width)
		found := NewLabelMap(height, width, pix)
		ignored := 0
		for i := range pix {
			pix[i] = uint8(rapid.IntRange(0, 3).Draw(t, "found"))
			if right[i] == 3 {
				right[i] = Ignored
				ignored++
			}
		}
		c := NewConfusion(4)
		if err := c.Add(truth, found); err != nil {
			t.Fatal(err)
		}
		for class, iou := range c.IoU() {
			both, either := 0, 0
			for i, v := range right {
				if a, b := int(v) == class, int(pix[i]) == class; v != Ignored && (a || b) {
					either++
					if a && b {
						both++
					}
				}
			}
			if either == 0 != (iou != iou) || either > 0 && iou != float64(both)/float64(either) {
				t.Fatalf("class %d: %v, not %d of %d", class, iou, both, either)
			}
		}
	})
}

func TestDirectoriesPairImagesWithLabels(t *testing.T) {
	s := world.Draw(1000, world.EvalFirst)
	picture := encoded(t, s.Image)
	side, apart, marked := t.TempDir(), t.TempDir(), t.TempDir()
	for _, name := range []string{"b", "a"} {
		putFile(t, filepath.Join(side, name+".jpg"), s.JPEG())
		putFile(t, filepath.Join(side, name+".png"), s.MaskPNG())
		putFile(t, filepath.Join(apart, "images", name+".png"), picture)
		putFile(t, filepath.Join(apart, "labels", name+".png"), s.MaskPNG())
		putFile(t, filepath.Join(marked, name+".png"), picture)
		putFile(t, filepath.Join(marked, name+".labels.png"), s.MaskPNG())
	}
	for _, dir := range []string{side, apart, marked} {
		set, n, err := Directory(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for sample, err := range set {
			if err != nil || !slices.Equal(sample.Truth.Pix(), s.Mask) || sample.Image.Width != 64 {
				t.Fatalf("%s: %v", sample.Name, err)
			}
			names = append(names, filepath.Base(sample.Name)[:1])
		}
		if n != 2 || !slices.Equal(names, []string{"a", "b"}) {
			t.Errorf("%s: %d images, %v", dir, n, names)
		}
	}
}

func TestWhatADirectoryLacksIsNamed(t *testing.T) {
	s := world.Draw(1000, world.EvalFirst)
	small := encoded(t, image.NewGray(image.Rect(0, 0, 3, 3)))
	for want, files := range map[string]map[string][]byte{
		"no image":     {"x.txt": nil},
		"no label map": {"x.jpg": s.JPEG()},
		"truncated":    {"x.jpg": s.JPEG()[:500], "x.png": s.MaskPNG()},
		"3x3 labels":   {"x.jpg": s.JPEG(), "x.png": small},
		"of colours":   {"x.jpg": s.JPEG(), "x.png": encoded(t, s.Image)},
	} {
		dir := t.TempDir()
		for name, data := range files {
			putFile(t, filepath.Join(dir, name), data)
		}
		set, _, err := Directory(dir)
		if err == nil {
			for _, err = range set {
			}
		}
		var named *SetError
		if !errors.As(err, &named) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
	}
	if _, _, err := Directory(filepath.Join(t.TempDir(), "absent")); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("error %v", err)
	}
}

func putFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestShardsOfTheWorldAreItsScenes(t *testing.T) {
	ctx, st := context.Background(), store.NewMem()
	if err := world.WriteShards(ctx, st, "held", world.Config{Scenes: 5, Size: world.Size, Seed: 1000, Masks: true}, 3, nil); err != nil {
		t.Fatal(err)
	}
	set, n, err := Shards(ctx, st, "held")
	if err != nil || n != 5 {
		t.Fatal(n, err)
	}
	i := 0
	for sample, err := range set {
		want := scene(t, i)
		if err != nil || sample.Caption != want.Caption || !slices.Equal(sample.Image.Pix, want.Image.Pix) || !slices.Equal(sample.Truth.Pix(), want.Truth.Pix()) {
			t.Errorf("sample %d: %v", i, err)
		}
		i++
	}
	if err := world.WriteShards(ctx, st, "train", world.Config{Scenes: 2, Size: world.Size, Seed: 1}, 2, nil); err != nil {
		t.Fatal(err)
	}
	set, _, err = Shards(ctx, st, "train")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range set {
		var named *SetError
		if !errors.As(err, &named) {
			t.Errorf("shards without masks: error %v", err)
		}
		break
	}
}

func TestPicturesAreDrawnForImagesOfEveryShape(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {50, 1}, {2, 90}, {40, 30}} {
		width, height := size[0], size[1]
		labels := NewLabelMap(height, width, make([]uint8, width*height))
		for i := range labels.Pix() {
			labels.Pix()[i] = uint8(i / 7 % 4)
		}
		img := noise(width, height, 4)
		scores := &Scores{[]string{BackgroundName, "cat", "k\u00e4se", strings.Repeat("long ", 60)}, dense.Of(make([]float32, 4*width*height), 4, height, width)}
		for _, background := range []bool{false, true} {
			drawn := Overlay(img, labels, scores, background)
			if !bytes.Equal(drawn.Pix, Overlay(img, labels, scores, background).Pix) {
				t.Errorf("%v: the same overlay is drawn otherwise", size)
			}
			Sheet([]SheetRow{{img, "a caption", labels, labels, labels}}, SheetText{"title", "before", "after", scores.Names, background, 0})
			Sheet([]SheetRow{{Image: img, Truth: labels, After: labels}}, SheetText{After: "after", Names: scores.Names, Background: background, Side: 300})
		}
	}
}

func TestColoursOfTheFirstClassesDiffer(t *testing.T) {
	for a := range 24 {
		for b := range a {
			x, y := Colour(a, true), Colour(b, true)
			dr, dg, db := int(x.R)-int(y.R), int(x.G)-int(y.G), int(x.B)-int(y.B)
			if dr*dr+dg*dg+db*db < 30*30 {
				t.Errorf("labels %d and %d: %v, %v", a, b, x, y)
			}
		}
	}
}
