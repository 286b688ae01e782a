package ingest

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/turbojpeg"
)

// Codec reads and writes JPEGs: libjpeg-turbo where the machine has it, several times as fast, or Go's. Their bytes differ, so
// a plan names its codec, and all that take part must have that one. A nil *Codec is Go's.
type Codec struct{ planar *turbojpeg.Planar }

// OpenCodec returns the codec of that name: "go", "turbo" for whatever release this machine has, the whole name of one release
// as [Codec.Name] gives it, or, for "", the fastest.
func OpenCodec(name string) (*Codec, error) {
	if name == "go" {
		return nil, nil
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
func (c *Codec) decode(l dataset.DecodeLimits, data []byte, size, wanted image.Point) (image.Image, error) {
	if c != nil && isJPEG(data) {
		reduce := 8
		for reduce > 1 && (size.X/reduce < wanted.X || size.Y/reduce < wanted.Y) {
			reduce /= 2
		}
		if picture, err := c.planar.Read(data, reduce); err == nil {
			return picture, nil
		}
	}
	return l.DecodePicture(data)
}

func (c *Codec) encode(picture image.Image, quality int) ([]byte, error) {
	if c != nil {
		if data, err := c.planar.Write(picture, quality); err == nil {
			return data, nil
		}
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: quality})
	return b.Bytes(), err
}
