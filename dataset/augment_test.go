package dataset

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/textground/textground/internal/philox"
)

// testPicture is noise on gradients; testdata/pillow.json was computed by Pillow 13.0 on the same bytes (resizing in two
// calls, so that rows come first).
func testPicture(width, height int, seed uint32) *Image {
	img := newImage(width, height)
	for i := range img.Pix {
		seed ^= seed << 13
		seed ^= seed >> 17
		seed ^= seed << 5
		c, x, y := i%3, i/3%width, i/3/width
		img.Pix[i] = uint8((x*(5+c)+y*(7-c)+int(seed>>8)%40+20*c)%230 + 10)
	}
	return img
}

type pillowCase struct {
	Op            string
	Arg           float64
	Width, Height int
	Pix           []uint8
}

func readPillowCases(t *testing.T) (cases []pillowCase) {
	t.Helper()
	data, err := os.ReadFile("testdata/pillow.json")
	if err == nil {
		err = json.Unmarshal(data, &cases)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func applyPillowOp(t *testing.T, c pillowCase) *Image {
	img := testPicture(23, 17, 7)
	switch c.Op {
	case "AutoContrast":
		return autoContrast(img)
	case "Equalize":
		return equalize(img)
	case "Invert":
		return invert(img)
	case "Rotate":
		return rotate(img, c.Arg)
	case "Posterize":
		return posterize(img, int(c.Arg))
	case "Solarize":
		return solarize(img, int(c.Arg))
	case "SolarizeAdd":
		return solarizeAdd(img, int(c.Arg))
	case "Color":
		return adjustColour(img, c.Arg)
	case "Contrast":
		return adjustContrast(img, c.Arg)
	case "Brightness":
		return adjustBrightness(img, c.Arg)
	case "Sharpness":
		return adjustSharpness(img, c.Arg)
	case "ShearX":
		return shearX(img, c.Arg)
	case "ShearY":
		return shearY(img, c.Arg)
	case "TranslateX":
		return translateX(img, c.Arg)
	case "TranslateY":
		return translateY(img, c.Arg)
	case "Resize":
		return scaled(img, box{0, 0, 23, 17}, c.Width, c.Height, box{0, 0, c.Width, c.Height})
	case "ResizeBig":
		return scaled(testPicture(301, 203, 99), box{0, 0, 301, 203}, c.Width, c.Height, box{0, 0, c.Width, c.Height})
	}
	t.Fatalf("no such op: %s", c.Op)
	return nil
}

// scaled shows a window of a region of img that was scaled to width x height.
func scaled(img *Image, from box, width, height int, window box) *Image {
	return view{from: from, width: width, height: height, window: window}.of(img)
}

func TestOperationsGivePillowsBytes(t *testing.T) {
	for _, c := range readPillowCases(t) {
		got := applyPillowOp(t, c)
		if got.Width != c.Width || got.Height != c.Height {
			t.Errorf("%s %v: %d x %d pixels, want %d x %d", c.Op, c.Arg, got.Width, got.Height, c.Width, c.Height)
			continue
		}
		differing, largest := 0, 0
		for i, v := range got.Pix {
			if d := int(v) - int(c.Pix[i]); d != 0 {
				differing++
				largest = max(largest, d, -d)
			}
		}
		if differing > 0 {
			t.Errorf("%s %v: %d of %d values differ, by at most %d", c.Op, c.Arg, differing, len(c.Pix), largest)
		}
	}
}

func TestCropEqualsCuttingThenResizing(t *testing.T) {
	img := testPicture(40, 30, 3)
	rapid.Check(t, func(t *rapid.T) {
		b := box{width: rapid.IntRange(1, 40).Draw(t, "width"), height: rapid.IntRange(1, 30).Draw(t, "height")}
		b.x = rapid.IntRange(0, 40-b.width).Draw(t, "x")
		b.y = rapid.IntRange(0, 30-b.height).Draw(t, "y")
		width, height := rapid.IntRange(1, 50).Draw(t, "to width"), rapid.IntRange(1, 50).Draw(t, "to height")
		w := box{width: rapid.IntRange(1, width).Draw(t, "window width"), height: rapid.IntRange(1, height).Draw(t, "window height")}
		w.x = rapid.IntRange(0, width-w.width).Draw(t, "window x")
		w.y = rapid.IntRange(0, height-w.height).Draw(t, "window y")

		whole := scaled(cutOut(img, b), box{0, 0, b.width, b.height}, width, height, box{0, 0, width, height})
		if got, want := scaled(img, b, width, height, w), cutOut(whole, w); !slices.Equal(got.Pix, want.Pix) {
			t.Fatalf("box %v to %d x %d, window %v differs", b, width, height, w)
		}
	})
}

func TestAMirroredViewIsTheViewMirrored(t *testing.T) {
	img := testPicture(40, 30, 3)
	for step := range uint32(30) {
		v := chooseView(40, 30, 1+int(step), PaperAugment(), testStream(step))
		v.mirrored = false
		plain := v.of(img)
		v.mirrored = true
		got := v.of(img)
		for i := range got.Pix {
			pixel, c := i/3, i%3
			x, y := pixel%got.Width, pixel/got.Width
			if want := plain.Pix[3*(y*got.Width+got.Width-1-x)+c]; got.Pix[i] != want {
				t.Fatalf("step %d: %d at (%d, %d), want %d", step, got.Pix[i], x, y, want)
			}
		}
	}
}

func cutOut(img *Image, b box) *Image {
	out := newImage(b.width, b.height)
	for y := range b.height {
		copy(out.Pix[3*y*b.width:3*(y+1)*b.width], img.Pix[3*((b.y+y)*img.Width+b.x):])
	}
	return out
}

func demoAugment() AugmentConfig {
	return AugmentConfig{Flip: 0.5, Shift: 1, ShiftStride: 8, Gain: 0.15}
}

func testStream(step uint32) *philox.Stream { return philox.NewKey(1, philox.Test).Stream(step, 0, 0) }

func augmented(img *Image, size int, cfg AugmentConfig, step uint32) []float32 {
	dst := make([]float32, 3*size*size)
	Augment(dst, img, size, cfg, testStream(step))
	return dst
}

func TestSameStreamSameBitsAndInputUntouched(t *testing.T) {
	for name, cfg := range map[string]AugmentConfig{"paper": PaperAugment(), "demo": demoAugment(), "none": NoAugment()} {
		for _, size := range []int{64, 48} {
			img := testPicture(64, 64, 5)
			before := slices.Clone(img.Pix)
			for step := range uint32(12) {
				first, second := augmented(img, size, cfg, step), augmented(img, size, cfg, step)
				if !slices.Equal(first, second) {
					t.Fatalf("%s, step %d: two runs differ", name, step)
				}
				if i := slices.IndexFunc(first, func(v float32) bool { return math.IsNaN(float64(v)) || math.Abs(float64(v)) > 8 }); i >= 0 {
					t.Fatalf("%s, step %d: value %d is %v", name, step, i, first[i])
				}
			}
			if !slices.Equal(img.Pix, before) {
				t.Fatalf("%s: the input was written to", name)
			}
		}
	}
}

func TestStepsDiffer(t *testing.T) {
	img := testPicture(64, 64, 5)
	for name, cfg := range map[string]AugmentConfig{"paper": PaperAugment(), "demo": demoAugment()} {
		if slices.Equal(augmented(img, 64, cfg, 0), augmented(img, 64, cfg, 1)) {
			t.Errorf("%s: steps 0 and 1 see the same picture", name)
		}
	}
}

func TestNoAugmentNormalisesTheMiddle(t *testing.T) {
	img := testPicture(12, 8, 5)
	got := augmented(img, 8, NoAugment(), 0)
	for c := range 3 {
		want := float32((float64(img.Pix[3*(3*12+2+5)+c])/255 - pixelMean[c]) / pixelDeviation[c])
		if v := got[c*64+3*8+5]; v != want {
			t.Errorf("channel %d: %v, want %v", c, v, want)
		}
	}
}

func TestAugmentBearsAnyShape(t *testing.T) {
	for _, side := range [][2]int{{1, 1}, {1, 3000}, {3000, 1}, {2, 1}, {7, 500}} {
		img := testPicture(side[0], side[1], 9)
		for step := range uint32(6) {
			augmented(img, 32, PaperAugment(), step)
			augmented(img, 32, demoAugment(), step)
		}
	}
}

func TestRandomBoxKeepsAreaAndRatio(t *testing.T) {
	img, cfg := newImage(400, 300), PaperAugment()
	sum := 0.0
	for step := range uint32(2000) {
		b := randomBox(img.Width, img.Height, cfg, testStream(step))
		if b.x < 0 || b.y < 0 || b.x+b.width > 400 || b.y+b.height > 300 {
			t.Fatalf("step %d: %v lies outside", step, b)
		}
		share, ratio := float64(b.width*b.height)/120_000, float64(b.width)/float64(b.height)
		if share < 0.079 || ratio < 0.74 || ratio > 1.35 {
			t.Fatalf("step %d: %v has area %v, ratio %v", step, b, share, ratio)
		}
		sum += share
	}
	if mean := sum / 2000; mean < 0.40 || mean > 0.47 {
		t.Errorf("mean area %v", mean)
	}
}

func TestShiftReflectsAtTheEdges(t *testing.T) {
	img := newImage(4, 1)
	for x := range 4 {
		img.Pix[3*x] = uint8(x)
	}
	for dx, want := range map[int]string{0: "0123", 1: "1012", 2: "2101", -1: "1232", -2: "2321", 6: "0123"} {
		var got strings.Builder
		for x := range 4 {
			got.WriteByte('0' + shiftReflected(img, dx, 0).Pix[3*x])
		}
		if got.String() != want {
			t.Errorf("by %d: %s, want %s", dx, got.String(), want)
		}
	}
}

func TestShiftsAreTheDemos(t *testing.T) {
	seen := map[int]int{}
	r := testStream(0)
	for range 9000 {
		seen[shiftOf(demoAugment(), r)]++
	}
	for _, shift := range []int{-9, -8, -7, -1, 0, 1, 7, 8, 9} {
		if seen[shift] < 850 || seen[shift] > 1150 {
			t.Errorf("shift %d comes %d times in 9000", shift, seen[shift])
		}
		delete(seen, shift)
	}
	if len(seen) > 0 {
		t.Errorf("other shifts: %v", seen)
	}
}

func TestErasingReplacesOneRectangleByNormalNoise(t *testing.T) {
	const size = 64
	for step := range uint32(50) {
		dst := make([]float32, 3*size*size)
		for i := range dst {
			dst[i] = 100
		}
		eraseRectangle(dst, size, testStream(step))
		erased, sum := 0, 0.0
		for _, v := range dst {
			if v != 100 {
				erased, sum = erased+1, sum+float64(v)
			}
		}
		share := float64(erased) / float64(len(dst))
		if share < 0.018 || share > 0.35 || math.Abs(sum/float64(erased)) > 0.25 {
			t.Errorf("step %d: %.3f of the area, mean %.3f", step, share, sum/float64(erased))
		}
	}
}

func TestEveryRandOpIsDrawnAndKeepsTheShape(t *testing.T) {
	r := testStream(0)
	for _, op := range randOps {
		for range 20 {
			img := testPicture(16, 16, 3)
			if out := op.apply(img, randLevel(r), r); out.Width != 16 || out.Height != 16 {
				t.Errorf("%s: %d x %d", op.name, out.Width, out.Height)
			}
		}
	}
}

func TestBadSettingsAreNamed(t *testing.T) {
	for want, cfg := range map[string]AugmentConfig{
		"crop scale":   {Crop: true, ScaleMin: 0, ScaleMax: 1, RatioMin: 1, RatioMax: 1},
		"crop ratio":   {Crop: true, ScaleMin: 0.1, ScaleMax: 1, RatioMin: 2, RatioMax: 1},
		"flip":         {Flip: math.NaN()},
		"erase":        {Erase: 1.5},
		"shift":        {Shift: -1},
		"gain":         {Gain: 1},
		"rand_augment": {RandAugment: "rand-m5"},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, cfg := range []AugmentConfig{PaperAugment(), NoAugment(), demoAugment()} {
		if err := cfg.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkAugment(b *testing.B) {
	img := testPicture(680, 512, 5)
	dst := make([]float32, 3*224*224)
	for name, cfg := range map[string]AugmentConfig{"paper": PaperAugment(), "none": NoAugment()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for step := uint32(0); b.Loop(); step++ {
				Augment(dst, img, 224, cfg, testStream(step))
			}
		})
	}
}
