//go:build cgo && (linux || darwin)

package turbojpeg

/*
#include <dlfcn.h>
#include <stdlib.h>

// Entry points that work on the planes of brightness and colour, without converting them.
typedef struct {
	void *(*begin_read)(void);
	void *(*begin_write)(void);
	int (*header)(void *, const unsigned char *, unsigned long, int *, int *, int *, int *);
	int (*read)(void *, const unsigned char *, unsigned long, unsigned char **, int, int *, int, int);
	int (*write)(void *, const unsigned char **, int, const int *, int, int, unsigned char **, unsigned long *, int, int);
	unsigned long (*room)(int, int, int);
	char *(*why)(void *);
	int (*end)(void *);
} planar;

static int planar_fill(planar *t, void *library) {
	t->begin_read = (void *(*)(void))dlsym(library, "tjInitDecompress");
	t->begin_write = (void *(*)(void))dlsym(library, "tjInitCompress");
	t->header = (int (*)(void *, const unsigned char *, unsigned long, int *, int *, int *, int *))dlsym(library, "tjDecompressHeader3");
	t->read = (int (*)(void *, const unsigned char *, unsigned long, unsigned char **, int, int *, int, int))dlsym(library, "tjDecompressToYUVPlanes");
	t->write = (int (*)(void *, const unsigned char **, int, const int *, int, int, unsigned char **, unsigned long *, int, int))dlsym(library, "tjCompressFromYUVPlanes");
	t->room = (unsigned long (*)(int, int, int))dlsym(library, "tjBufSize");
	t->why = (char *(*)(void *))dlsym(library, "tjGetErrorStr2");
	t->end = (int (*)(void *))dlsym(library, "tjDestroy");
	return t->begin_read && t->begin_write && t->header && t->read && t->write && t->room && t->why && t->end;
}

static void *planar_begin(const planar *t, int write) { return write ? t->begin_write() : t->begin_read(); }
static void planar_end(const planar *t, void *h) { t->end(h); }
static const char *planar_why(const planar *t, void *h) { return t->why(h); }
static unsigned long planar_room(const planar *t, int width, int height, int sampling) { return t->room(width, height, sampling); }

static int planar_header(const planar *t, void *h, const unsigned char *data, unsigned long n, int *width, int *height, int *sampling, int *colours) {
	return t->header(h, data, n, width, height, sampling, colours);
}

// Flag 8192 stops at warnings.
static int planar_read(const planar *t, void *h, const unsigned char *data, unsigned long n, unsigned char *y, unsigned char *cb, unsigned char *cr,
                       int width, int height, int y_stride, int c_stride) {
	unsigned char *planes[3] = {y, cb, cr};
	int strides[3] = {y_stride, c_stride, c_stride};
	return t->read(h, data, n, planes, width, strides, height, 8192);
}

// Flag 1024 leaves the buffer where it is.
static int planar_write(const planar *t, void *h, const unsigned char *y, const unsigned char *cb, const unsigned char *cr,
                        int width, int height, int y_stride, int c_stride, int sampling, unsigned char *out, unsigned long *n, int quality) {
	const unsigned char *planes[3] = {y, cb, cr};
	int strides[3] = {y_stride, c_stride, c_stride};
	return t->write(h, planes, width, strides, height, sampling, &out, n, quality, 1024);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"image"
	"unsafe"
)

// Planar reads and writes the planes of JPEGs, brightness and colour apart, as the file has them. Goroutines may share it.
type Planar struct {
	calls  *C.planar // in C memory
	digest string
}

// OpenPlanar loads the library where the system's loader finds it.
func OpenPlanar() (*Planar, error) {
	library, err := Open()
	if err != nil {
		return nil, err
	}
	for _, name := range names() {
		handle, err := dlopen(name)
		if err != nil {
			continue
		}
		p := &Planar{calls: (*C.planar)(C.malloc(C.sizeof_planar)), digest: library.digest}
		if C.planar_fill(p.calls, handle) != 0 {
			return p, nil
		}
	}
	return nil, errors.New("libjpeg-turbo lacks an entry point for planes: 2.0 or newer is wanted")
}

// Digest is the SHA-256 of the library's file, in hexadecimal.
func (p *Planar) Digest() string { return p.digest }

// sampling says how many pixels share a colour value: TurboJPEG's number, and the block of pixels that belongs together.
type sampling struct {
	number C.int
	ratio  image.YCbCrSubsampleRatio
	x, y   int
}

var samplings = []sampling{
	{0, image.YCbCrSubsampleRatio444, 1, 1}, {1, image.YCbCrSubsampleRatio422, 2, 1}, {2, image.YCbCrSubsampleRatio420, 2, 2},
	{4, image.YCbCrSubsampleRatio440, 1, 2}, {5, image.YCbCrSubsampleRatio411, 4, 1},
}

const (
	grey       = 3 // TurboJPEG's number for a file of one plane
	modelYCbCr = 1 // its numbers of colour models
	modelGrey  = 2
)

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// Room is memory that one goroutine uses again and again: what [Planar.Read] returns lies in it until the next Read.
type Room struct{ planes, file []uint8 }

func sized(b *[]uint8, n int) []uint8 {
	if cap(*b) < n {
		*b = make([]uint8, n)
	}
	return (*b)[:n]
}

// newPlanes makes room for a picture: whole blocks of it, of which the picture is the upper left.
func newPlanes(s sampling, width, height int, room *Room) *image.YCbCr {
	wide, high := roundUp(width, s.x), roundUp(height, s.y)
	colours := wide / s.x * (high / s.y)
	pix := sized(&room.planes, wide*high+2*colours)
	return &image.YCbCr{Y: pix[:wide*high], Cb: pix[wide*high:][:colours], Cr: pix[wide*high+colours:], YStride: wide, CStride: wide / s.x,
		SubsampleRatio: s.ratio, Rect: image.Rect(0, 0, width, height)}
}

// Read returns a JPEG's planes as an *image.YCbCr, or an *image.Gray for a file of one, its sides divided by reduce (1, 2, 4
// or 8) and rounded up. Callers have bounded the size that the file claims. Whatever the library warns about is an error.
func (p *Planar) Read(data []byte, reduce int, room *Room) (image.Image, error) {
	if len(data) == 0 {
		return nil, errors.New("libjpeg-turbo: no data")
	}
	h := C.planar_begin(p.calls, 0)
	if h == nil {
		return nil, errors.New("libjpeg-turbo: no memory")
	}
	defer C.planar_end(p.calls, h)
	source, n := (*C.uchar)(unsafe.SliceData(data)), C.ulong(len(data))
	var w, ht, number, model C.int
	if C.planar_header(p.calls, h, source, n, &w, &ht, &number, &model) != 0 {
		return nil, p.failure(h)
	}
	width, height := (int(w)+reduce-1)/reduce, (int(ht)+reduce-1)/reduce
	if number == grey && model == modelGrey {
		out := &image.Gray{Pix: sized(&room.planes, width*height), Stride: width, Rect: image.Rect(0, 0, width, height)}
		if C.planar_read(p.calls, h, source, n, pointer(out.Pix), nil, nil, C.int(width), C.int(height), C.int(out.Stride), 0) != 0 {
			return nil, p.failure(h)
		}
		return out, nil
	}
	for _, s := range samplings {
		if s.number == number && model == modelYCbCr {
			out := newPlanes(s, width, height, room)
			if C.planar_read(p.calls, h, source, n, pointer(out.Y), pointer(out.Cb), pointer(out.Cr), C.int(width), C.int(height), C.int(out.YStride), C.int(out.CStride)) != 0 {
				return nil, p.failure(h)
			}
			return out, nil
		}
	}
	return nil, fmt.Errorf("libjpeg-turbo: no planes of colour model %d with sampling %d", model, number)
}

// Write returns the JPEG of an *image.Gray or of an *image.YCbCr that begins at (0, 0).
func (p *Planar) Write(from image.Image, quality int, room *Room) ([]byte, error) {
	switch picture := from.(type) {
	case *image.Gray:
		return p.write(picture.Pix, nil, nil, picture.Rect, picture.Stride, 0, grey, quality, room)
	case *image.YCbCr:
		for _, s := range samplings {
			if s.ratio == picture.SubsampleRatio {
				whole := wholeBlocks(picture, s)
				return p.write(whole.Y, whole.Cb, whole.Cr, whole.Rect, whole.YStride, whole.CStride, s.number, quality, room)
			}
		}
	}
	return nil, fmt.Errorf("libjpeg-turbo: no planes in a %T", from)
}

// wholeBlocks returns a picture whose brightness reaches to the end of its blocks, its last column and row repeated.
func wholeBlocks(from *image.YCbCr, s sampling) *image.YCbCr {
	width, height := from.Rect.Dx(), from.Rect.Dy()
	if width%s.x == 0 && height%s.y == 0 {
		return from
	}
	out := *from
	out.YStride = roundUp(width, s.x)
	out.Y = make([]uint8, out.YStride*roundUp(height, s.y))
	for y := range roundUp(height, s.y) {
		row := out.Y[y*out.YStride:][:out.YStride]
		copy(row, from.Y[min(y, height-1)*from.YStride:][:width])
		for x := width; x < len(row); x++ {
			row[x] = row[width-1]
		}
	}
	return &out
}

func (p *Planar) write(y, cb, cr []uint8, size image.Rectangle, yStride, cStride int, number C.int, quality int, room *Room) ([]byte, error) {
	h := C.planar_begin(p.calls, 1)
	if h == nil {
		return nil, errors.New("libjpeg-turbo: no memory")
	}
	defer C.planar_end(p.calls, h)
	width, height := C.int(size.Dx()), C.int(size.Dy())
	n := C.planar_room(p.calls, width, height, number)
	out := sized(&room.file, int(n))
	if C.planar_write(p.calls, h, pointer(y), pointer(cb), pointer(cr), width, height, C.int(yStride), C.int(cStride), number, pointer(out), &n, C.int(quality)) != 0 {
		return nil, p.failure(h)
	}
	return append([]byte(nil), out[:n]...), nil
}

func pointer(b []uint8) *C.uchar { return (*C.uchar)(unsafe.SliceData(b)) }

func (p *Planar) failure(h unsafe.Pointer) error {
	return fmt.Errorf("libjpeg-turbo: %s", C.GoString(C.planar_why(p.calls, h)))
}
