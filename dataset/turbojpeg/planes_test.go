package turbojpeg

import (
	"bytes"
	"image"
	"image/jpeg"
	"os"
	"testing"
)

func openPlanar(t testing.TB) *Planar {
	p, err := OpenPlanar()
	if err != nil {
		t.Skip(err)
	}
	return p
}

func drawn(width, height int, ratio image.YCbCrSubsampleRatio) *image.YCbCr {
	p := image.NewYCbCr(image.Rect(0, 0, width, height), ratio)
	for i := range p.Y {
		p.Y[i] = uint8(40 + i%p.YStride*120/p.YStride)
	}
	for i := range p.Cb {
		p.Cb[i], p.Cr[i] = uint8(100+i%p.CStride*50/p.CStride), 140
	}
	return p
}

// far is the largest difference of two pictures at the pixels of the smaller one; the other may be reduce times as large.
func far(small, large image.Image, reduce int) (most int) {
	b := small.Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			r, g, bl, _ := small.At(x, y).RGBA()
			R, G, B, _ := large.At(min(x*reduce+reduce/2, large.Bounds().Dx()-1), min(y*reduce+reduce/2, large.Bounds().Dy()-1)).RGBA()
			for _, d := range []int{int(r) - int(R), int(g) - int(G), int(bl) - int(B)} {
				most = max(most, d>>8, -d>>8)
			}
		}
	}
	return most
}

func TestPlanesAreThoseOfGosDecoder(t *testing.T) {
	p := openPlanar(t)
	for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio440} {
		for _, size := range []image.Point{{X: 64, Y: 48}, {X: 67, Y: 51}, {X: 1, Y: 1}, {X: 500, Y: 333}} {
			from := drawn(size.X, size.Y, ratio)
			file, err := p.Write(from, 95, &Room{})
			if err != nil {
				t.Fatal(ratio, size, err)
			}
			want, err := jpeg.Decode(bytes.NewReader(file))
			if err != nil {
				t.Fatal(ratio, size, err)
			}
			if d := far(want, from, 1); d > 12 {
				t.Errorf("%v %v: written %d apart", ratio, size, d)
			}
			for _, reduce := range []int{1, 2, 4, 8} {
				got, err := p.Read(file, reduce, &Room{})
				if err != nil || got.Bounds().Dx() != (size.X+reduce-1)/reduce {
					t.Fatal(ratio, size, reduce, err)
				}
				if d := far(got, want, reduce); d > 8+4*reduce {
					t.Errorf("%v %v by %d: %d apart", ratio, size, reduce, d)
				}
			}
		}
	}
}

func TestWhatWarnsIsAnError(t *testing.T) {
	p := openPlanar(t)
	file, err := p.Write(drawn(200, 200, image.YCbCrSubsampleRatio420), 90, &Room{})
	if err != nil {
		t.Fatal(err)
	}
	for _, reduce := range []int{1, 8} {
		if _, err := p.Read(file[:len(file)/2], reduce, &Room{}); err == nil {
			t.Errorf("half a file, by %d", reduce)
		}
	}
	cmyk, err := os.ReadFile("../testdata/images/cmyk.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Read(cmyk, 1, &Room{}); err == nil {
		t.Error("four colours")
	}
	if _, err := p.Read(nil, 1, &Room{}); err == nil {
		t.Error("nothing")
	}
}

func FuzzPlanes(f *testing.F) {
	p := openPlanar(f)
	file, err := p.Write(drawn(20, 20, image.YCbCrSubsampleRatio420), 90, &Room{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file, byte(0))
	f.Fuzz(func(t *testing.T, data []byte, reduce byte) {
		if c, err := jpeg.DecodeConfig(bytes.NewReader(data)); err != nil || c.Width*c.Height > 1<<20 {
			return // callers have looked at the size
		}
		if img, err := p.Read(data, 1<<(reduce%4), &Room{}); err == nil {
			if _, err := p.Write(img, 80, &Room{}); err != nil {
				t.Error(err)
			}
		}
	})
}
