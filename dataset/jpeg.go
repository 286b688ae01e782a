package dataset

import (
	"errors"
	"fmt"
	"image"
	"sync"

	"github.com/textground/textground/dataset/turbojpeg"
)

// JPEGDecoder is what a Loader unpacks JPEGs with: libjpeg-turbo, or Go's decoder. The two round differently, so that runs with
// one and the other have different bits, and the name of the decoder is part of a run's device class. Everything that is not a
// JPEG of one or three colours goes through Go's decoders with both. A nil *JPEGDecoder is Go's.
type JPEGDecoder struct{ turbo *turbojpeg.Library }

// OpenJPEGDecoder returns the decoder of that name: "go", "turbo", or, for "", libjpeg-turbo where the machine has it.
func OpenJPEGDecoder(choice string) (*JPEGDecoder, error) {
	switch choice {
	case "go":
		return nil, nil
	case "", "turbo":
		library, err := turbojpeg.Open()
		if err == nil {
			return &JPEGDecoder{library}, nil
		}
		if choice == "" {
			return nil, nil
		}
		return nil, fmt.Errorf("opening libjpeg-turbo: %w; install it (Debian: libturbojpeg0), or choose the decoder go", err)
	}
	return nil, fmt.Errorf("there is no JPEG decoder %q: choose go or turbo", choice)
}

// Name is the decoder's part of a device class: "jpeg-go", or "jpeg-turbo-" and the begin of its library's digest.
func (d *JPEGDecoder) Name() string {
	if d == nil {
		return "jpeg-go"
	}
	return "jpeg-turbo-" + d.turbo.Digest()[:12]
}

// A portion says what of a file is decoded at least: how far its sides are reduced, and what part of what results.
type portion struct {
	reduce int
	part   image.Rectangle
}

// decode reads an image as DecodeLimits.Decode does, with the same limits and the same reasons of refusal. needed is asked what of a
// JPEG's picture is looked at; Go's decoder gives it whole.
func (d *JPEGDecoder) decode(l DecodeLimits, data []byte, needed func(width, height int) portion) (*Image, error) {
	if d == nil || !startsWith("\xff\xd8\xff")(data) {
		return l.Decode(data)
	}
	img, err := d.decodeTurbo(l, data, needed)
	if refused := (*DecodeError)(nil); errors.As(err, &refused) {
		return nil, refused
	}
	if err != nil {
		return l.Decode(data) // what libjpeg-turbo cannot do, or only with a warning, is Go's to judge
	}
	return img, nil
}

func (d *JPEGDecoder) decodeTurbo(l DecodeLimits, data []byte, needed func(width, height int) portion) (*Image, error) {
	_, config, err := l.examine(data)
	if err != nil {
		return nil, err
	}
	room := rooms.Get().(*[]uint8)
	p := needed(config.Width, config.Height)
	got, pixels, err := d.turbo.Decode(data, p.reduce, p.part, *room)
	if err != nil {
		rooms.Put(room)
		return nil, err
	}
	return &Image{Width: got.Dx(), Height: got.Dy(), Pix: pixels,
		fileWidth: config.Width, fileHeight: config.Height, reduced: p.reduce, left: got.Min.X, top: got.Min.Y}, nil
}

// rooms are the pixels of pictures that nobody looks at any more: a megabyte each, which need no clearing.
var rooms = sync.Pool{New: func() any { return new([]uint8) }}

// recycle gives the pixels of a decoded picture to the next one. The caller was the last to use it.
func recycle(img *Image) {
	pixels := img.Pix
	img.Pix = nil
	rooms.Put(&pixels)
}
