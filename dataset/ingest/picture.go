package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"

	"github.com/textground/textground/dataset"
)

// keepBytes bounds a JPEG that is kept as it came: a longer one of so few pixels is mostly metadata, and is encoded again.
const keepBytes = 1 << 20

// picture is an image as a shard holds it.
type picture struct {
	data                          []byte
	width, height                 int
	originalWidth, originalHeight int
}

// makePicture turns a body into a JPEG of at most ShortSide pixels on its shorter side. The error is a *failure.
func (s Settings) makePicture(codec *Codec, data []byte, room *scratch) (picture, error) {
	limits := dataset.DefaultDecodeLimits()
	limits.MaxPixels = s.MaxPixels
	width, height, err := limits.Examine(data)
	if err != nil {
		return picture{}, &failure{class: classOfDecoding(err), err: err}
	}
	short, long := min(width, height), max(width, height)
	if short < s.MinSide || float64(long) > s.MaxAspect*float64(short) {
		return picture{}, &failure{class: BadSize, err: fmt.Errorf("%d x %d pixels, wanted are sides of %d and at most %g to 1", width, height, s.MinSide, s.MaxAspect)}
	}
	p := picture{originalWidth: width, originalHeight: height}
	p.width, p.height = s.fit(width, height)
	keep := isJPEG(data) && p.width == width && p.height == height && !s.Reencode && len(data) <= keepBytes
	wanted := image.Point{X: p.width, Y: p.height}
	if keep {
		wanted = image.Point{} // only whether it can be decoded
	}
	decoded, err := codec.decode(limits, data, image.Point{X: width, Y: height}, wanted, &room.Room)
	if err != nil {
		return picture{}, &failure{class: classOfDecoding(err), err: err}
	}
	if keep {
		p.data = data
		return p, nil
	}
	if p.data, err = codec.encode(shrink(decoded, p.width, p.height, room), s.Quality, &room.Room); err != nil {
		return picture{}, &failure{class: BadImage, err: fmt.Errorf("encoding it again: %w", err)}
	}
	return p, nil
}

func isJPEG(data []byte) bool { return bytes.HasPrefix(data, []byte("\xff\xd8")) }

func classOfDecoding(err error) Class {
	var reason *dataset.DecodeError
	if errors.As(err, &reason) {
		switch reason.Reason {
		case dataset.ReasonNotAnImage:
			return NotAnImage
		case dataset.ReasonTooManyPixels:
			return TooManyPixels
		case dataset.ReasonBadSize:
			return BadSize
		}
	}
	return BadImage
}

// fit returns the size whose shorter side is ShortSide; a smaller picture stays as it is. The longer side is rounded.
func (s Settings) fit(width, height int) (int, int) {
	short := min(width, height)
	if short <= s.ShortSide {
		return width, height
	}
	scaled := func(side int) int { return max(1, (2*side*s.ShortSide+short)/(2*short)) }
	return scaled(width), scaled(height)
}

// shrink brings a picture to its final size, without alpha: what is transparent becomes white. JPEG's own planes are shrunk
// as they are.
func shrink(from image.Image, width, height int, room *scratch) image.Image {
	switch p := from.(type) {
	case *image.Gray:
		size := p.Bounds().Size()
		if size == (image.Point{X: width, Y: height}) {
			return p
		}
		grey := plane{p.Pix, p.Stride, size.X, size.Y, 1}.shrink(width, height, room)
		return &image.Gray{Pix: grey.pix, Stride: grey.stride, Rect: image.Rect(0, 0, width, height)}
	case *image.YCbCr:
		return shrinkYCbCr(p, width, height, room)
	}
	flat := onWhite(from)
	if size := flat.Bounds().Size(); size == (image.Point{X: width, Y: height}) {
		return flat
	}
	small := plane{flat.Pix, flat.Stride, flat.Rect.Dx(), flat.Rect.Dy(), 4}.shrink(width, height, room)
	return &image.RGBA{Pix: small.pix, Stride: small.stride, Rect: image.Rect(0, 0, width, height)}
}

// shrinkYCbCr shrinks brightness to the final size and colour to half of it, which is what the encoder keeps of colour.
func shrinkYCbCr(p *image.YCbCr, width, height int, room *scratch) image.Image {
	size := p.Bounds().Size()
	if size == (image.Point{X: width, Y: height}) {
		return p
	}
	chroma := chromaSize(p)
	out := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	toX, toY := (width+1)/2, (height+1)/2
	if chroma.X < toX || chroma.Y < toY { // colour so coarse would be enlarged
		return shrink(onWhite(p), width, height, room)
	}
	out.Y = plane{p.Y, p.YStride, size.X, size.Y, 1}.shrink(width, height, room).pix
	out.YStride = width
	out.Cb = plane{p.Cb, p.CStride, chroma.X, chroma.Y, 1}.shrink(toX, toY, room).pix
	out.Cr = plane{p.Cr, p.CStride, chroma.X, chroma.Y, 1}.shrink(toX, toY, room).pix
	out.CStride = toX
	return out
}

// chromaSize is how many colour values stand behind the visible pixels.
func chromaSize(p *image.YCbCr) image.Point {
	last := p.COffset(p.Rect.Max.X-1, p.Rect.Max.Y-1) - p.COffset(p.Rect.Min.X, p.Rect.Min.Y)
	return image.Point{X: last%p.CStride + 1, Y: last/p.CStride + 1}
}

func onWhite(from image.Image) *image.RGBA {
	b := from.Bounds()
	flat := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(flat, flat.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(flat, flat.Rect, from, b.Min, draw.Over)
	return flat
}
