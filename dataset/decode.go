package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/webp"
)

// Image is 8-bit RGB without alpha, row after row: the pixel (x, y) starts at Pix[3*(y*Width+x)].
type Image struct {
	Width, Height int
	Pix           []uint8

	// Of a picture that was decoded for a view, 0 elsewhere: the size in its file, how many of the file's pixels, 2, 4 or 8, make a side
	// of one of these if it was reduced, and, if this is a part, where in the picture so reduced it begins.
	fileWidth, fileHeight, reduced, left, top int
}

func newImage(width, height int) *Image {
	return &Image{Width: width, Height: height, Pix: make([]uint8, 3*width*height)}
}

// fileSize is the size of the whole picture, before it was reduced.
func (img *Image) fileSize() (width, height int) {
	if img.fileWidth > 0 {
		return img.fileWidth, img.fileHeight
	}
	return img.Width, img.Height
}

// DecodeLimits bounds what a file may claim before its pixels are unpacked.
type DecodeLimits struct {
	MaxPixels int // width times height; a progressive JPEG may pass over at most ten times as many
	MaxSide   int // pixels
	MaxScans  int // of a progressive JPEG; real ones have about ten
}

// DefaultDecodeLimits admits every photograph and refuses decompression bombs.
func DefaultDecodeLimits() DecodeLimits {
	return DecodeLimits{MaxPixels: 50_000_000, MaxSide: 65_500, MaxScans: 200}
}

// Classes of files that are not decoded; a loader counts them by these words.
const (
	ReasonNotAnImage    = "not_an_image"    // none of the formats that are read
	ReasonUnsupported   = "unsupported"     // a variant that the decoder lacks: 12 bits, arithmetic coding
	ReasonTruncated     = "truncated"       // ends too early
	ReasonCorrupt       = "corrupt"         // breaks its format's rules
	ReasonTooManyPixels = "too_many_pixels" // DecodeLimits.MaxPixels
	ReasonBadSize       = "bad_size"        // no pixels, or DecodeLimits.MaxSide
	ReasonTooManyScans  = "too_many_scans"  // DecodeLimits.MaxScans
)

// A DecodeError says why a file is no usable image.
type DecodeError struct {
	Reason string // one of the Reason constants
	Detail error
}

func (e *DecodeError) Error() string { return fmt.Sprintf("decode image: %s: %v", e.Reason, e.Detail) }

// Unwrap returns the detail.
func (e *DecodeError) Unwrap() error { return e.Detail }

func decodeErrorf(reason, format string, args ...any) *DecodeError {
	return &DecodeError{reason, fmt.Errorf(format, args...)}
}

// DecodeImage reads a JPEG, PNG, WebP or GIF (its first frame) of any name within the default limits. Grey is expanded,
// CMYK converted, 16 bits are cut to 8, alpha is dropped, metadata such as EXIF orientation is ignored. Its errors are
// of type *[DecodeError].
func DecodeImage(data []byte) (*Image, error) { return DefaultDecodeLimits().Decode(data) }

// Decode is [DecodeImage] within other limits.
func (l DecodeLimits) Decode(data []byte) (*Image, error) {
	picture, err := l.DecodePicture(data)
	if err != nil {
		return nil, err
	}
	return imageFrom(picture), nil
}

// DecodePicture is Decode for callers that need the picture in the colours of its file. It uses the decoders written in Go
// alone, so that its result is the same on all machines.
func (l DecodeLimits) DecodePicture(data []byte) (_ image.Image, err error) {
	// A decoder that trips over a hostile file must cost one sample, not the run.
	defer func() {
		if p := recover(); p != nil {
			err = decodeErrorf(ReasonCorrupt, "the decoder panicked: %v", p)
		}
	}()
	format, _, err := l.examine(data)
	if err != nil {
		return nil, err
	}
	file := &endReader{data: data}
	picture, err := format.decode(file)
	if err != nil {
		return nil, classifyDecodeError(err, file)
	}
	return picture, nil
}

// Examine returns the size that a file claims, and refuses what Decode would refuse before it unpacks anything.
func (l DecodeLimits) Examine(data []byte) (width, height int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = decodeErrorf(ReasonCorrupt, "the decoder panicked: %v", p)
		}
	}()
	_, config, err := l.examine(data)
	return config.Width, config.Height, err
}

// examine looks at a file's head and judges what it claims, before anything is allocated for it.
func (l DecodeLimits) examine(data []byte) (format *imageFormat, config image.Config, err error) {
	if format = sniffImage(data); format == nil {
		return nil, config, decodeErrorf(ReasonNotAnImage, "it begins with %.16q", data[:min(len(data), 16)])
	}
	if isAnimatedWebP(data) {
		return nil, config, decodeErrorf(ReasonUnsupported, "an animated WebP")
	}
	file := &endReader{data: data}
	if config, err = format.config(file); err != nil {
		return nil, config, classifyDecodeError(err, file)
	}
	if err := l.check(config, format.scans(data)); err != nil {
		return nil, config, err
	}
	if most := format.pixelsPerByte * len(data); config.Width*config.Height > most {
		return nil, config, decodeErrorf(ReasonTruncated, "%d bytes cannot hold %d x %d pixels", len(data), config.Width, config.Height)
	}
	return format, config, nil
}

func (l DecodeLimits) check(c image.Config, scans int) error {
	pixels := c.Width * c.Height
	switch {
	case c.Width < 1 || c.Height < 1 || c.Width > l.MaxSide || c.Height > l.MaxSide:
		return decodeErrorf(ReasonBadSize, "%d x %d pixels, sides of 1 to %d are read", c.Width, c.Height, l.MaxSide)
	case pixels > l.MaxPixels:
		return decodeErrorf(ReasonTooManyPixels, "%d x %d pixels, at most %d are read", c.Width, c.Height, l.MaxPixels)
	case scans > l.MaxScans || scans > 1 && pixels > 10*l.MaxPixels/scans:
		return decodeErrorf(ReasonTooManyScans, "%d scans of %d x %d pixels", scans, c.Width, c.Height)
	}
	return nil
}

// imageFormat is a file format, known by its first bytes.
type imageFormat struct {
	matches func([]byte) bool
	config  func(io.Reader) (image.Config, error)
	decode  func(io.Reader) (image.Image, error)
	scans   func([]byte) int // passes over the picture that decoding takes

	// pixelsPerByte is more than the format can pack, so that a short file claims no large memory.
	pixelsPerByte int
}

var imageFormats = []imageFormat{
	{startsWith("\xff\xd8\xff"), jpeg.DecodeConfig, jpeg.Decode, jpegScans, 1024},         // a bit for each of at least 8 blocks in 1024 pixels
	{startsWith("\x89PNG\r\n\x1a\n"), png.DecodeConfig, png.Decode, singleScan, 8 * 1032}, // deflate's best, at a bit a pixel
	{startsWith("GIF87a"), gif.DecodeConfig, gif.Decode, singleScan, 4096},                // an LZW code repeats less than 4096 pixels
	{startsWith("GIF89a"), gif.DecodeConfig, gif.Decode, singleScan, 4096},
	{isWebP, webp.DecodeConfig, webp.Decode, singleScan, math.MaxInt / (1 << 32)}, // lossless, one colour takes no bits
}

func sniffImage(data []byte) *imageFormat {
	for i := range imageFormats {
		if imageFormats[i].matches(data) {
			return &imageFormats[i]
		}
	}
	return nil
}

func startsWith(magic string) func([]byte) bool {
	return func(data []byte) bool { return bytes.HasPrefix(data, []byte(magic)) }
}

func isWebP(data []byte) bool {
	return len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP"
}

// isAnimatedWebP looks for the animation bit of the extended header, whose frames the decoder does not know.
func isAnimatedWebP(data []byte) bool {
	const animation = 1 << 1
	return isWebP(data) && len(data) > 20 && string(data[12:16]) == "VP8X" && data[20]&animation != 0
}

func singleScan([]byte) int { return 1 }

// jpegScans counts the scans of a JPEG without decoding any: segments are stepped over by their lengths, so that a
// thumbnail inside the metadata counts nothing.
func jpegScans(data []byte) int {
	const startOfScan, endOfImage = 0xDA, 0xD9
	scans := 0
	for {
		at := bytes.IndexByte(data, 0xFF)
		if at < 0 || at+4 > len(data) {
			return scans
		}
		marker := data[at+1]
		switch {
		case marker == 0xFF: // fill byte
			data = data[at+1:]
			continue
		case marker == endOfImage:
			return scans
		case marker <= 0x01 || marker >= 0xD0 && marker <= 0xD8: // stuffed byte, restart, start of image: no length follows
			data = data[at+2:]
			continue
		case marker == startOfScan:
			scans++
		}
		length := int(data[at+2])<<8 | int(data[at+3])
		data = data[min(at+2+length, len(data)):]
	}
}

// endReader reads data and remembers whether more was asked for than there is: the decoders word a short file in many
// ways, but all of them run into its end.
type endReader struct {
	data []byte
	past bool
}

func (r *endReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 && len(p) > 0 {
		r.past = true
		return 0, io.EOF
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

func classifyDecodeError(err error, file *endReader) *DecodeError {
	var unsupportedJPEG jpeg.UnsupportedError
	var unsupportedPNG png.UnsupportedError
	switch {
	case errors.As(err, &unsupportedJPEG) || errors.As(err, &unsupportedPNG):
		return &DecodeError{ReasonUnsupported, err}
	case file.past:
		return &DecodeError{ReasonTruncated, err}
	default:
		return &DecodeError{ReasonCorrupt, err}
	}
}
