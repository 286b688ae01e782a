package ingest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"strings"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/turbojpeg"
)

// Codec reads and writes JPEGs: libjpeg-turbo where the machine has it, several times as fast, or Go's. Their bytes differ, so
// a plan names its codec, and all that take part must have that one. A nil *Codec is Go's.
type Codec struct{ planar *turbojpeg.Planar }

// OpenCodec returns the codec of that name: "go", "turbo" for whatever release this machine has, the whole name of one release
// as [Codec.Name] gives it, or, for "", the fastest.
func OpenCodec(name string) (*Codec, error) {
	switch {
	case name == "go":
		return nil, nil
	case name != "" && !strings.HasPrefix(name, "turbo"):
		return nil, fmt.Errorf("there is no JPEG codec %q; take go, or turbo for libjpeg-turbo", name)
	}
	planar, err := turbojpeg.OpenPlanar()
	if err != nil && name == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("JPEG codec %s: %w; install libjpeg-turbo (Debian: libturbojpeg0), or begin the ingest with --jpeg go", name, err)
	}
	c := &Codec{planar}
	if name != "" && name != "turbo" && name != c.Name() {
		return nil, fmt.Errorf("JPEG codec %s: this machine has %s; install the same release, or begin the ingest with --jpeg go", name, c.Name())
	}
	return c, nil
}

// Name is "go", or "turbo-" and the begin of the library's digest.
func (c *Codec) Name() string {
	if c == nil {
		return "go"
	}
	return "turbo-" + c.planar.Digest()[:12]
}

// decode returns a picture that may be up to eight times smaller than its file, as long as neither side becomes shorter than
// wanted. What libjpeg-turbo cannot do, or only with a warning, is Go's to judge.
func (c *Codec) decode(l dataset.DecodeLimits, data []byte, size, wanted image.Point, room *turbojpeg.Room) (image.Image, error) {
	if c != nil && isJPEG(data) {
		reduce := 8
		for reduce > 1 && (size.X/reduce < wanted.X || size.Y/reduce < wanted.Y) {
			reduce /= 2
		}
		if picture, err := c.planar.Read(data, reduce, room); err == nil {
			return picture, nil
		}
	}
	return l.DecodePicture(data)
}

func (c *Codec) encode(picture image.Image, quality int, room *turbojpeg.Room) ([]byte, error) {
	if c != nil {
		if rgba, is := picture.(*image.RGBA); is {
			picture = inPlanes(rgba)
		}
		if data, err := c.planar.Write(picture, quality, room); err == nil {
			return data, nil
		}
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: quality})
	return b.Bytes(), err
}

// inPlanes converts opaque pixels to brightness and, averaged over two by two pixels, colour.
func inPlanes(from *image.RGBA) *image.YCbCr {
	width, height := from.Rect.Dx(), from.Rect.Dy()
	out := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	for y := 0; y < height; y += 2 {
		for x := 0; x < width; x += 2 {
			var r, g, b, n int
			for _, at := range [4]image.Point{{X: x, Y: y}, {X: x + 1, Y: y}, {X: x, Y: y + 1}, {X: x + 1, Y: y + 1}} {
				if at.X >= width || at.Y >= height {
					continue
				}
				p := from.Pix[at.Y*from.Stride+4*at.X:][:3]
				out.Y[at.Y*out.YStride+at.X], _, _ = color.RGBToYCbCr(p[0], p[1], p[2])
				r, g, b, n = r+int(p[0]), g+int(p[1]), b+int(p[2]), n+1
			}
			place := y/2*out.CStride + x/2
			_, out.Cb[place], out.Cr[place] = color.RGBToYCbCr(uint8((r+n/2)/n), uint8((g+n/2)/n), uint8((b+n/2)/n))
		}
	}
	return out
}
