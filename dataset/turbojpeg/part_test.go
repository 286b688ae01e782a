//go:build cgo && (linux || darwin)

package turbojpeg

import (
	"bytes"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// openBoth returns the library twice: as it is, and as if it could not decode parts.
func openBoth(t testing.TB) (parts, whole *Library) {
	l, err := Open()
	if err != nil {
		t.Skip(err)
	}
	if l.parts == nil {
		t.Skip("no libjpeg of the same release as TurboJPEG")
	}
	return l, &Library{calls: l.calls, digest: l.digest}
}

// noise is a picture that no two blocks of are alike.
func noise(width, height int, ratio image.YCbCrSubsampleRatio, seed uint64) *image.YCbCr {
	p, r := image.NewYCbCr(image.Rect(0, 0, width, height), ratio), rand.New(rand.NewPCG(seed, 0))
	for _, plane := range [][]uint8{p.Y, p.Cb, p.Cr} {
		for i := range plane {
			plane[i] = uint8(r.Uint32())
		}
	}
	return p
}

func drawnFile(t *rapid.T, p *Planar) (file []byte, width, height int) {
	width, height = rapid.IntRange(1, 300).Draw(t, "width"), rapid.IntRange(1, 300).Draw(t, "height")
	s := rapid.SampledFrom(samplings).Draw(t, "sampling")
	from := image.Image(noise(width, height, s.ratio, rapid.Uint64().Draw(t, "noise")))
	if rapid.IntRange(0, 5).Draw(t, "grey") == 0 {
		grey := image.NewGray(from.Bounds())
		copy(grey.Pix, from.(*image.YCbCr).Y)
		from = grey
	}
	file, err := p.Write(from, rapid.SampledFrom([]int{30, 90, 100}).Draw(t, "quality"), &Room{})
	if err != nil {
		t.Fatal(err)
	}
	return file, width, height
}

func drawnPart(t *rapid.T, width, height int) (part image.Rectangle, reduce int) {
	reduce = rapid.SampledFrom([]int{1, 2, 4, 8}).Draw(t, "reduce")
	if min(width, height)/reduce < 16 {
		reduce = 1 // TurboJPEG would take a size of few pixels for another reduction
	}
	width, height = (width+reduce-1)/reduce, (height+reduce-1)/reduce
	x, y := rapid.IntRange(0, width-1).Draw(t, "x"), rapid.IntRange(0, height-1).Draw(t, "y")
	return image.Rect(x, y, rapid.IntRange(x+1, width).Draw(t, "to x"), rapid.IntRange(y+1, height).Draw(t, "to y")), reduce
}

// sameIn compares what two decodings show of a part.
func sameIn(part, a image.Rectangle, aPixels []uint8, b image.Rectangle, bPixels []uint8) bool {
	row := func(of image.Rectangle, pixels []uint8, y int) []uint8 {
		return pixels[3*((y-of.Min.Y)*of.Dx()+part.Min.X-of.Min.X):][:3*part.Dx()]
	}
	for y := part.Min.Y; y < part.Max.Y; y++ {
		if !bytes.Equal(row(a, aPixels, y), row(b, bPixels, y)) {
			return false
		}
	}
	return true
}

func TestAPartHasThePixelsOfTheWhole(t *testing.T) {
	parts, whole := openBoth(t)
	p := openPlanar(t)
	rapid.Check(t, func(t *rapid.T) {
		file, width, height := drawnFile(t, p)
		part, reduce := drawnPart(t, width, height)
		a, aPixels, err := parts.Decode(file, reduce, part, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, bPixels, err := whole.Decode(file, reduce, part, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !sameIn(part, a, aPixels, b, bPixels) {
			t.Fatalf("%v of %v differs", part, b)
		}
	})
}

// Which file is refused must not depend on what is wanted of it: workers with and without the second library agree on bad samples.
func TestDamageAnywhereIsAnErrorForAnyPart(t *testing.T) {
	parts, whole := openBoth(t)
	p := openPlanar(t)
	rapid.Check(t, func(t *rapid.T) {
		file, width, height := drawnFile(t, p)
		part, reduce := drawnPart(t, width, height)
		for range rapid.IntRange(1, 3).Draw(t, "damages") {
			file[rapid.IntRange(2, len(file)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		file = file[:len(file)-rapid.SampledFrom([]int{0, 0, 0, 1, 3, 20, 200}).Draw(t, "cut")%len(file)]
		if c, err := jpeg.DecodeConfig(bytes.NewReader(file)); err != nil || c.Width*c.Height > 1<<20 {
			return // callers have refused it
		}
		a, aPixels, aErr := parts.Decode(file, reduce, part, nil)
		b, bPixels, bErr := whole.Decode(file, reduce, part, nil)
		if (aErr == nil) != (bErr == nil) {
			t.Fatalf("%v of %d x %d: %v, of the whole: %v", part, width, height, aErr, bErr)
		}
		if aErr == nil && !sameIn(part, a, aPixels, b, bPixels) {
			t.Fatalf("%v of %v differs", part, b)
		}
	})
}

func TestAPictureOfSeveralScansComesWhole(t *testing.T) {
	parts, _ := openBoth(t)
	file, err := os.ReadFile("../testdata/images/progressive.jpg")
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := parts.Decode(file, 1, image.Rect(3, 3, 5, 5), nil)
	c, _ := jpeg.DecodeConfig(bytes.NewReader(file))
	if want := image.Rect(0, 0, c.Width, c.Height); err != nil || got != want {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

func TestAPartOutsideIsRefused(t *testing.T) {
	parts, _ := openBoth(t)
	file, err := os.ReadFile("../testdata/images/rgb.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []image.Rectangle{{}, image.Rect(-1, 0, 3, 3), image.Rect(0, 0, 3, 5000)} {
		if _, _, err := parts.Decode(file, 1, part, nil); err == nil {
			t.Errorf("%v was decoded", part)
		}
	}
}

// Another build might round differently: its libjpeg is none of this TurboJPEG's.
func TestLibjpegIsOfTheSameBuild(t *testing.T) {
	one, other := []byte("\x7fELF..libjpeg-turbo version 2.1.5 (build 20230203)\x00.."), []byte("libjpeg-turbo version 2.1.5 (build 20240101)\x00")
	if got := string(releaseOf(one)); got != "libjpeg-turbo version 2.1.5 (build 20230203)" {
		t.Errorf("%q", got)
	}
	if releaseOf([]byte("libjpeg 9")) != nil || bytes.Equal(releaseOf(one), releaseOf(other)) {
		t.Error("builds are not told apart")
	}
	if openParts([]byte("libjpeg 9")) != nil || openParts(other[:20]) != nil || openParts([]byte("libjpeg-turbo version 0\x00")) != nil {
		t.Error("a libjpeg of another build was taken")
	}
}
