package dataset

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/textground/textground/store"
)

// turboDecoder is libjpeg-turbo, or the reason to skip a test.
func turboDecoder(t testing.TB) *JPEGDecoder {
	t.Helper()
	d, err := OpenJPEGDecoder("turbo")
	if err != nil {
		t.Skip(err)
	}
	return d
}

func whole(width, height int) portion { return portion{1, image.Rect(0, 0, width, height)} }

// reducedBy is all of a picture.
func reducedBy(n int) func(width, height int) portion {
	return func(width, height int) portion { return portion{n, image.Rect(0, 0, (width+n-1)/n, (height+n-1)/n)} }
}

// smoothJPEG has no detail that reducing could lose.
func smoothJPEG(width, height int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetRGBA(x, y, color.RGBA{uint8(200 * x / width), uint8(200 * y / height), uint8(100 + 100*x/width - 50*y/height), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// noisyJPEG is different everywhere.
func noisyJPEG(width, height int) []byte {
	from, img := testPicture(width, height, 7), image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		copy(img.Pix[4*i:], append(from.Pix[3*i:3*i+3:3*i+3], 255))
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestTurboGivesPillowsBytes(t *testing.T) {
	d := turboDecoder(t)
	for _, name := range []string{"rgb.jpg", "grey.jpg", "progressive.jpg", "exif.jpg"} {
		img, err := d.decode(DefaultDecodeLimits(), readTestImage(t, name), whole)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(img.Pix, readTestImage(t, name+".rgb")) {
			t.Errorf("%s has other pixels than Pillow's", name)
		}
	}
}

func TestBothDecodersRefuseForTheSameReasons(t *testing.T) {
	d := turboDecoder(t)
	good := encodedJPEG(64, 64)
	for name, data := range map[string][]byte{
		"nothing": nil, "HTML": []byte("<html>"), "bomb": patched(good, baselineFrame, 5, 0x75, 0x30, 0x75, 0x30),
		"no rows": patched(good, baselineFrame, 5, 0, 64, 0, 0), "cut": good[:len(good)-20], "cut in the header": good[:30],
		"no components": patched(good, baselineFrame, 9, 0), "12 bits": patched(good, baselineFrame, 4, 12),
		"arithmetic coding": patched(good, baselineFrame, 0, 0xff, 0xc9), "bad table": patched(good, "\xff\xc4", 5, 0xff, 0xff, 0xff, 0xff),
		"scans": manyScans(t, 10_000), "CMYK": readTestImage(t, "cmyk.jpg"), "PNG": readTestImage(t, "rgb.png"), "WebP": readTestImage(t, "lossy.webp"),
	} {
		var ours, gos *DecodeError
		img, err := d.decode(DefaultDecodeLimits(), data, whole)
		wanted, wantedErr := DecodeImage(data)
		errors.As(err, &ours)
		errors.As(wantedErr, &gos)
		if (err == nil) != (wantedErr == nil) || err != nil && ours.Reason != gos.Reason {
			t.Errorf("%s: %v, Go's decoder says %v", name, err, wantedErr)
		}
		if err == nil && !bytes.Equal(img.Pix, wanted.Pix) {
			t.Errorf("%s: what is not turbo's to decode has other pixels", name)
		}
	}
}

// The promise of view.reduction: what the view shows is never smaller than the view, and half as much would be.
func TestReducingNeverGoesBelowTheView(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width, height := rapid.IntRange(1, 3000).Draw(t, "width"), rapid.IntRange(1, 3000).Draw(t, "height")
		size := rapid.IntRange(1, 400).Draw(t, "size")
		cfg := rapid.SampledFrom([]AugmentConfig{PaperAugment(), NoAugment()}).Draw(t, "augmentation")
		step := rapid.Uint32().Draw(t, "step")
		v := chooseView(width, height, size, cfg, testStream(step))
		short, reduce := min(v.from.width, v.from.height), v.reduction()
		if reduce > 1 && short/reduce < size || reduce < 8 && short/(2*reduce) >= max(size, smallestReduced) {
			t.Fatalf("%+v reduced by %d for %d", v, reduce, size)
		}
	})
}

// A reduced picture shows what the whole one shows, at the same place: the same smooth scene either way, within 3 of 255.
func TestAReducedPictureGivesTheSameView(t *testing.T) {
	d := turboDecoder(t)
	for _, c := range []struct{ width, height, size, reduce int }{{512, 512, 100, 2}, {513, 390, 60, 4}, {1025, 777, 64, 8}} {
		data := smoothJPEG(c.width, c.height)
		full, err := d.decode(DefaultDecodeLimits(), data, whole)
		if err != nil {
			t.Fatal(err)
		}
		reduced, err := d.decode(DefaultDecodeLimits(), data, reducedBy(c.reduce))
		if err != nil || reduced.Width != (c.width+c.reduce-1)/c.reduce {
			t.Fatal(err, reduced)
		}
		for step := range uint32(20) {
			v := chooseView(c.width, c.height, c.size, PaperAugment(), testStream(step))
			a, b := v.of(full), v.of(reduced)
			for i := range a.Pix {
				if math.Abs(float64(a.Pix[i])-float64(b.Pix[i])) > 3 {
					t.Fatalf("%+v, step %d: %d and %d at %d", c, step, a.Pix[i], b.Pix[i], i)
				}
			}
		}
	}
}

// The promise of portion: a view of what was decoded for it is the view of all of the picture.
func TestAViewNeedsItsPortionAlone(t *testing.T) {
	d := turboDecoder(t)
	for _, side := range [][2]int{{300, 200}, {61, 333}, {512, 512}} {
		file := noisyJPEG(side[0], side[1])
		for step := range uint32(15) {
			for _, size := range []int{20, 64, 224} {
				v := chooseView(side[0], side[1], size, PaperAugment(), testStream(step))
				part, err := d.decode(DefaultDecodeLimits(), file, v.portion)
				if err != nil {
					t.Fatal(err)
				}
				all, err := d.decode(DefaultDecodeLimits(), file, reducedBy(v.reduction()))
				if err != nil {
					t.Fatal(err)
				}
				if a, b := v.of(part), v.of(all); !slices.Equal(a.Pix, b.Pix) {
					t.Fatalf("%v, step %d, size %d: %+v differs", side, step, size, v)
				}
			}
		}
	}
}

func TestTheDecoderIsNamedAndForced(t *testing.T) {
	if d, err := OpenJPEGDecoder("go"); err != nil || d.Name() != "jpeg-go" {
		t.Error(d.Name(), err)
	}
	if _, err := OpenJPEGDecoder("other"); err == nil {
		t.Error("a decoder that nobody knows was opened")
	}
	if name := turboDecoder(t).Name(); len(name) != len("jpeg-turbo-")+12 {
		t.Error(name)
	}
}

func TestLoadersWithTurboGiveTheSameBitsInAnyOrder(t *testing.T) {
	st := store.NewMem()
	ix := writeSet(t, st, "", []int{6, 6}, func(all []Sample) {
		for i := range all {
			all[i].Image = smoothJPEG(200+10*i, 300)
		}
	})
	turbo := func(c *LoaderConfig) { c.JPEG, c.Augment, c.ImageSize = turboDecoder(t), PaperAugment(), 24 }
	one, other := testLoader(t, st, "", ix, turbo), testLoader(t, st, "", ix, turbo)
	for step := range 4 {
		a, err := one.Batch(t.Context(), step, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Batch(t.Context(), 3-step, 0); err != nil {
			t.Fatal(err)
		}
		b, err := other.Batch(t.Context(), step, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a.Images.Data().([]float32), b.Images.Data().([]float32)) {
			t.Errorf("step %d differs", step)
		}
	}
}

// Whatever the file, and whatever part of it is wanted: an image with that part, or a reason. Which of the two does not depend on the part.
func FuzzTurboDecode(f *testing.F) {
	d := turboDecoder(f)
	f.Add(encodedJPEG(20, 30), uint8(1))
	f.Add(noisyJPEG(90, 70), uint8(0b01101100))
	f.Add(readTestImage(f, "progressive.jpg"), uint8(2))
	f.Add(readTestImage(f, "cmyk.jpg"), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, choice uint8) {
		reduced, column, row := reducedBy(1<<(choice&3)), int(choice>>2&7), int(choice>>5)
		limits := DecodeLimits{MaxPixels: 1 << 18, MaxSide: 1 << 12, MaxScans: 20}
		all, err := d.decode(limits, data, reduced)
		if refused := (*DecodeError)(nil); err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
		if err == nil && len(all.Pix) != 3*all.Width*all.Height {
			t.Fatal("sizes")
		}
		var wanted image.Rectangle
		part, partErr := d.decode(limits, data, func(width, height int) portion {
			p := reduced(width, height)
			from := image.Pt(p.part.Max.X*column/8, p.part.Max.Y*row/8)
			wanted = p.part.Intersect(image.Rectangle{from, from.Add(p.part.Max.Div(4)).Add(image.Pt(1, 1))})
			p.part = wanted
			return p
		})
		if (err == nil) != (partErr == nil) {
			t.Fatalf("%v of it: %v, all of it: %v", wanted, partErr, err)
		}
		if err != nil || part.fileWidth == 0 || all.Width < 16 || all.Height < 16 {
			return // refused, Go's, or too small for TurboJPEG to tell reductions apart
		}
		for y := wanted.Min.Y; y < wanted.Max.Y; y++ {
			ours := part.Pix[3*((y-part.top)*part.Width+wanted.Min.X-part.left):][:3*wanted.Dx()]
			if !bytes.Equal(ours, all.Pix[3*(y*all.Width+wanted.Min.X):][:3*wanted.Dx()]) {
				t.Fatalf("row %d of %v differs", y, wanted)
			}
		}
	})
}
