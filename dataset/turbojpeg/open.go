//go:build cgo && (linux || darwin)

package turbojpeg

/*
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

// The entry points of the TurboJPEG API, which has kept them since libjpeg-turbo 2.0.
typedef struct {
	void *(*begin)(void);
	int (*header)(void *, const unsigned char *, unsigned long, int *, int *, int *, int *);
	int (*pixels)(void *, const unsigned char *, unsigned long, unsigned char *, int, int, int, int, int);
	char *(*why)(void *);
	int (*end)(void *);
} turbo;

static int turbo_fill(turbo *t, void *library) {
	t->begin = (void *(*)(void))dlsym(library, "tjInitDecompress");
	t->header = (int (*)(void *, const unsigned char *, unsigned long, int *, int *, int *, int *))dlsym(library, "tjDecompressHeader3");
	t->pixels = (int (*)(void *, const unsigned char *, unsigned long, unsigned char *, int, int, int, int, int))dlsym(library, "tjDecompress2");
	t->why = (char *(*)(void *))dlsym(library, "tjGetErrorStr2");
	t->end = (int (*)(void *))dlsym(library, "tjDestroy");
	return t->begin && t->header && t->pixels && t->why && t->end;
}

static const char *turbo_file(const turbo *t) {
	Dl_info info;
	return dladdr((void *)t->begin, &info) ? info.dli_fname : NULL;
}

static void *turbo_begin(const turbo *t) { return t->begin(); }
static void turbo_end(const turbo *t, void *h) { t->end(h); }
static const char *turbo_why(const turbo *t, void *h) { return t->why(h); }

static int turbo_header(const turbo *t, void *h, const unsigned char *data, unsigned long n, int *width, int *height, int *colours) {
	int subsampling;
	return t->header(h, data, n, width, height, &subsampling, colours);
}

// Pixel format 0 is RGB; flag 8192 stops at warnings. The DCT is the accurate one, chroma is interpolated: Pillow's choices.
static int turbo_pixels(const turbo *t, void *h, const unsigned char *data, unsigned long n, unsigned char *out, int width, int height) {
	return t->pixels(h, data, n, out, width, 3 * width, height, 0, 8192);
}
*/
import "C"

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"os"
	"runtime"
	"unsafe"
)

// Library is an opened libjpeg-turbo. Goroutines may share it; it stays open as long as the process.
type Library struct {
	calls  *C.turbo // in C memory
	parts  *parts   // nil if parts of pictures cannot be decoded
	digest string
}

// names are tried in this order. The number is that of the ABI.
func names() []string {
	if runtime.GOOS == "darwin" {
		return []string{"libturbojpeg.dylib", "/opt/homebrew/lib/libturbojpeg.dylib", "/usr/local/lib/libturbojpeg.dylib"}
	}
	return []string{"libturbojpeg.so.0"}
}

// Open loads the library where the system's loader finds it.
func Open() (*Library, error) {
	var failure error
	for _, name := range names() {
		handle, err := dlopen(name)
		if err == nil {
			return fill(handle, name)
		}
		failure = err
	}
	return nil, failure
}

func dlopen(name string) (unsafe.Pointer, error) {
	path := C.CString(name)
	defer C.free(unsafe.Pointer(path))
	runtime.LockOSThread() // dlerror speaks of this thread
	defer runtime.UnlockOSThread()
	if handle := C.dlopen(path, C.RTLD_NOW|C.RTLD_LOCAL); handle != nil {
		return handle, nil
	}
	return nil, errors.New(C.GoString(C.dlerror()))
}

func fill(handle unsafe.Pointer, name string) (*Library, error) {
	l := &Library{calls: (*C.turbo)(C.malloc(C.sizeof_turbo))}
	if C.turbo_fill(l.calls, handle) == 0 {
		return nil, fmt.Errorf("%s lacks an entry point: libjpeg-turbo 2.0 or newer is wanted", name)
	}
	file := C.turbo_file(l.calls)
	if file == nil {
		return nil, fmt.Errorf("%s: the loader does not say which file it is", name)
	}
	data, err := os.ReadFile(C.GoString(file))
	if err != nil {
		return nil, fmt.Errorf("taking the digest of %s: %w", name, err)
	}
	sum := sha256.Sum256(data)
	l.digest, l.parts = hex.EncodeToString(sum[:]), openParts(data)
	return l, nil
}

// Digest is the SHA-256 of the library's file, in hexadecimal.
func (l *Library) Digest() string { return l.digest }

// fourColours is the first of TurboJPEG's colour models, CMYK and YCCK, that do not become RGB.
const fourColours = 3

// Decode returns a picture of a JPEG as RGB, row after row, its sides divided by reduce (1, 2, 4 or 8) and rounded up: all of it, or
// what got says, which contains the wanted part. It writes into room if the pixels fit there. Callers have bounded the size that the file
// claims. A part has the pixels that the whole has, and whatever is wrong with the rest is an error for both.
func (l *Library) Decode(data []byte, reduce int, part image.Rectangle, room []uint8) (got image.Rectangle, pixels []uint8, err error) {
	if len(data) == 0 {
		return got, nil, errors.New("libjpeg-turbo: no data")
	}
	h := C.turbo_begin(l.calls)
	if h == nil {
		return got, nil, errors.New("libjpeg-turbo: no memory")
	}
	defer C.turbo_end(l.calls, h)
	source, n := (*C.uchar)(unsafe.SliceData(data)), C.ulong(len(data))
	var w, ht, colours C.int
	if C.turbo_header(l.calls, h, source, n, &w, &ht, &colours) != 0 {
		return got, nil, l.failure(h)
	}
	if colours >= fourColours {
		return got, nil, errors.New("libjpeg-turbo: four colours do not become RGB")
	}
	whole := image.Rect(0, 0, (int(w)+reduce-1)/reduce, (int(ht)+reduce-1)/reduce)
	if part.Empty() || !part.In(whole) {
		return got, nil, fmt.Errorf("libjpeg-turbo: %v of a picture of %v is wanted", part, whole)
	}
	if l.parts != nil && part != whole {
		if got, pixels, err = l.parts.decode(data, reduce, part, whole.Dx(), room); !errors.Is(err, errScans) {
			return got, pixels, err
		}
	}
	pixels = sized(&room, 3*whole.Dx()*whole.Dy())
	if C.turbo_pixels(l.calls, h, source, n, (*C.uchar)(unsafe.SliceData(pixels)), C.int(whole.Dx()), C.int(whole.Dy())) != 0 {
		return got, nil, l.failure(h)
	}
	return whole, pixels, nil
}

func (l *Library) failure(h unsafe.Pointer) error {
	return fmt.Errorf("libjpeg-turbo: %s", C.GoString(C.turbo_why(l.calls, h)))
}
