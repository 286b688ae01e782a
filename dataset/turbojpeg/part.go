//go:build cgo && (linux || darwin)

package turbojpeg

/*
#define _GNU_SOURCE
#include <dlfcn.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// What of libjpeg's interface is used here. The structures begin alike in all its versions, and the library compares their sizes.
typedef struct part_errors {
	void (*exit)(void *);
	void (*emit)(void *, int);
	void (*output)(void *);
	void (*format)(void *, char *);
	void (*reset)(void *);
	int code;
	union { int numbers[8]; char text[80]; } about;
	unsigned char rest[512];
} part_errors;

typedef struct {
	part_errors *errors;
	void *memory, *progress, *ours;
	int decompresses, state;
	void *source;
	unsigned width, height;
	int components, file_colours, colours;
	unsigned scale_from, scale_to;
	double gamma;
	int buffered, raw, dct, fancy, smooth, quantize, dither, two_pass, wanted_colours, one_pass_later, external_later, two_pass_later;
	unsigned out_width, out_height;
	int out_colours, out_bytes, rows_at_once, map_colours;
	void *colour_map;
	unsigned row;
	unsigned char rest[2048];
} part_decoder;

typedef struct {
	part_errors *(*errors)(part_errors *);
	void (*create)(void *, int, size_t);
	void (*source)(void *, const unsigned char *, unsigned long);
	int (*header)(void *, int);
	int (*scans)(void *);
	int (*start)(void *);
	void (*crop)(void *, unsigned *, unsigned *);
	unsigned (*skip)(void *, unsigned);
	unsigned (*read)(void *, unsigned char **, unsigned);
	int (*finish)(void *);
	void (*destroy)(void *);
	int version;
	size_t size; // of the library's own structure
} part_calls;

static int part_fill(part_calls *t, void *library) {
	t->errors = (part_errors *(*)(part_errors *))dlsym(library, "jpeg_std_error");
	t->create = (void (*)(void *, int, size_t))dlsym(library, "jpeg_CreateDecompress");
	t->source = (void (*)(void *, const unsigned char *, unsigned long))dlsym(library, "jpeg_mem_src");
	t->header = (int (*)(void *, int))dlsym(library, "jpeg_read_header");
	t->scans = (int (*)(void *))dlsym(library, "jpeg_has_multiple_scans");
	t->start = (int (*)(void *))dlsym(library, "jpeg_start_decompress");
	t->crop = (void (*)(void *, unsigned *, unsigned *))dlsym(library, "jpeg_crop_scanline");
	t->skip = (unsigned (*)(void *, unsigned))dlsym(library, "jpeg_skip_scanlines");
	t->read = (unsigned (*)(void *, unsigned char **, unsigned))dlsym(library, "jpeg_read_scanlines");
	t->finish = (int (*)(void *))dlsym(library, "jpeg_finish_decompress");
	t->destroy = (void (*)(void *))dlsym(library, "jpeg_destroy_decompress");
	return t->errors && t->create && t->source && t->header && t->scans && t->start && t->crop && t->skip && t->read && t->finish && t->destroy;
}

static const char *part_file(const part_calls *t) {
	Dl_info info;
	return dladdr((void *)t->errors, &info) ? info.dli_fname : NULL;
}

// A trap is where errors and warnings of the library jump to: its functions must not return from them.
typedef struct {
	part_errors errors; // first, so that a decoder's errors lead here
	part_decoder decoder;
	jmp_buf back;
} part_trap;

static void part_exit(void *decoder) { longjmp(((part_trap *)((part_decoder *)decoder)->errors)->back, 1); }
static void part_emit(void *decoder, int level) {
	if (level < 0)
		part_exit(decoder);
}

static void part_set(const part_calls *t, part_trap *trap) {
	memset(trap, 0, sizeof *trap);
	trap->decoder.errors = t->errors(&trap->errors);
	trap->errors.exit = part_exit;
	trap->errors.emit = part_emit;
}

// part_measure asks the library of a version how large its structure is: it refuses another size, and names its own.
static int part_measure(part_calls *t, int version) {
	part_trap trap;
	part_set(t, &trap);
	t->version = version;
	if (setjmp(trap.back) == 0) {
		t->create(&trap.decoder, version, 1);
		return 0;
	}
	t->size = trap.errors.about.numbers[0];
	return t->size > offsetof(part_decoder, rest) && t->size <= sizeof(part_decoder);
}

typedef struct { unsigned x, y, width, height, reduce; } part_region;

// part_decode writes the rows of region and then one that means nothing to out, which has room for so many bytes. The region becomes what
// was written: it begins further left, where a block does. Rows that are not wanted are read as well, so that whatever is wrong with the
// file shows.
enum { part_failed, part_done, part_has_scans };
static int part_decode(const part_calls *t, const unsigned char *data, unsigned long n, part_region *region, unsigned char *out, size_t room, char *why) {
	enum { rgb = 2 };
	part_trap trap;
	part_set(t, &trap);
	part_decoder *d = &trap.decoder;
	if (setjmp(trap.back)) {
		trap.errors.format(d, why);
		t->destroy(d);
		return part_failed;
	}
	t->create(d, t->version, t->size);
	t->source(d, data, n);
	t->header(d, 1);
	if (t->scans(d)) {
		t->destroy(d);
		return part_has_scans;
	}
	d->colours = rgb;
	d->scale_from = 1;
	d->scale_to = region->reduce;
	t->start(d);
	t->crop(d, &region->x, &region->width);
	size_t stride = (size_t)3 * d->out_width;
	if (d->out_bytes != 3 || stride * (region->height + 1) > room) {
		strcpy(why, "the library returns more than was asked for");
		t->destroy(d);
		return part_failed;
	}
	region->width = d->out_width;
	if (region->y > 0)
		t->skip(d, region->y);
	while (d->row < region->y + region->height) {
		unsigned char *row = out + stride * (d->row - region->y);
		t->read(d, &row, 1);
	}
	unsigned char *after = out + stride * region->height;
	if (d->row + 1 < d->out_height)
		t->skip(d, d->out_height - d->row - 1);
	if (d->row < d->out_height) // the library does not look at what is skipped at the end
		t->read(d, &after, 1);
	t->finish(d);
	t->destroy(d);
	return part_done;
}
*/
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"os"
	"runtime"
	"unsafe"
)

// parts is the libjpeg that was built together with a TurboJPEG, whose own interface can decode a part of a picture only from
// libjpeg-turbo 3 on.
type parts struct{ calls *C.part_calls } // in C memory

type libjpeg struct {
	name    string
	version C.int
}

// libjpegs are its files by the number of their ABI: 62 in Debian and Fedora, 8, which means version 80, in Ubuntu.
func libjpegs() []libjpeg {
	if runtime.GOOS == "darwin" {
		return []libjpeg{{"libjpeg.8.dylib", 80}, {"libjpeg.62.dylib", 62}}
	}
	return []libjpeg{{"libjpeg.so.62", 62}, {"libjpeg.so.8", 80}}
}

// openParts looks for the libjpeg that belongs to a TurboJPEG, whose file is given. It returns nil if there is none: then pictures are
// decoded whole, to the same pixels.
func openParts(turbo []byte) *parts {
	release := releaseOf(turbo)
	if release == nil {
		return nil
	}
	for _, library := range libjpegs() {
		handle, err := dlopen(library.name)
		if err != nil {
			continue
		}
		calls := (*C.part_calls)(C.calloc(1, C.sizeof_part_calls))
		if C.part_fill(calls, handle) != 0 && bytes.Equal(releaseOf(fileOf(calls)), release) && C.part_measure(calls, library.version) != 0 {
			return &parts{calls}
		}
		C.free(unsafe.Pointer(calls))
	}
	return nil
}

func fileOf(calls *C.part_calls) []byte {
	name := C.part_file(calls)
	if name == nil {
		return nil
	}
	data, err := os.ReadFile(C.GoString(name))
	if err != nil {
		return nil
	}
	return data
}

// releaseOf finds the sentence with version and day of the build that every file of libjpeg-turbo contains.
func releaseOf(file []byte) []byte {
	at := bytes.Index(file, []byte("libjpeg-turbo version "))
	if at < 0 {
		return nil
	}
	release, _, _ := bytes.Cut(file[at:], []byte{0})
	return release
}

// interpolated is how far a pixel's colour may depend on pixels beside it, and widestBlock how far left of what is wanted a row begins.
const interpolated, widestBlock = 4, 32

var errScans = errors.New("libjpeg-turbo: a picture of several scans is decoded whole")

// decode decodes the rows and columns of part, with some columns more, of a picture that is so wide, into room if they fit there.
func (p *parts) decode(data []byte, reduce int, part image.Rectangle, width int, room []uint8) (got image.Rectangle, pixels []uint8, err error) {
	left, right := max(0, part.Min.X-interpolated), min(width, part.Max.X+interpolated)
	region := C.part_region{C.uint(left), C.uint(part.Min.Y), C.uint(right - left), C.uint(part.Dy()), C.uint(reduce)}
	pixels = sized(&room, 3*(right-left+widestBlock)*(part.Dy()+1))
	var why [256]C.char // more than libjpeg writes
	switch C.part_decode(p.calls, (*C.uchar)(unsafe.SliceData(data)), C.ulong(len(data)), &region, (*C.uchar)(unsafe.SliceData(pixels)), C.size_t(len(pixels)), &why[0]) {
	case C.part_failed:
		return got, nil, errors.New("libjpeg-turbo: " + C.GoString(&why[0]))
	case C.part_has_scans:
		return got, nil, errScans
	}
	got = image.Rect(int(region.x), part.Min.Y, int(region.x+region.width), part.Max.Y)
	if !part.In(got) {
		panic(fmt.Sprintf("turbojpeg: %v of a picture was decoded, %v was wanted", got, part))
	}
	return got, pixels[:3*got.Dx()*got.Dy()], nil
}
