package dataset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func readTestImage(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/images", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The .rgb files hold Pillow's convert("RGB"). Lossy formats leave rounding to the decoder, and lossy_alpha's chroma is
// interpolated there.
func TestEveryVariantDecodesAsPillowDoes(t *testing.T) {
	for name, tolerance := range map[string]int{
		"rgb.png": 0, "grey.png": 0, "one_bit.png": 0, "alpha.png": 0, "palette.png": 0, "sixteen.png": 0,
		"lossless.webp": 0, "alpha.webp": 0, "animated.gif": 0,
		"grey.jpg": 2, "rgb.jpg": 12, "progressive.jpg": 12, "exif.jpg": 12, "cmyk.jpg": 12, "lossy.webp": 24, "lossy_alpha.webp": 90,
	} {
		img, err := DecodeImage(readTestImage(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := readTestImage(t, name+".rgb")
		if img.Width != 16 || img.Height != 12 || len(img.Pix) != len(want) {
			t.Errorf("%s: %d x %d, %d bytes", name, img.Width, img.Height, len(img.Pix))
			continue
		}
		largest := 0
		for i, v := range want {
			largest = max(largest, int(v)-int(img.Pix[i]), int(img.Pix[i])-int(v))
		}
		if largest > tolerance {
			t.Errorf("%s: differs by %d", name, largest)
		}
	}
}

func encodedJPEG(width, height int) []byte {
	var b bytes.Buffer
	jpeg.Encode(&b, image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420), nil)
	return b.Bytes()
}

// patched returns data with the bytes at offset at behind the first occurrence of marker replaced.
func patched(data []byte, marker string, at int, with ...byte) []byte {
	data = slices.Clone(data)
	i := bytes.Index(data, []byte(marker))
	copy(data[i+at:], with)
	return data
}

const baselineFrame = "\xff\xc0\x00\x11" // marker, length; then precision, height, width, components

func manyScans(t testing.TB, n int) []byte {
	data := readTestImage(t, "progressive.jpg")
	last := bytes.LastIndex(data, []byte("\xff\xda"))
	end := bytes.LastIndex(data, []byte("\xff\xd9"))
	return slices.Concat(data[:last], bytes.Repeat(data[last:end], n), data[end:])
}

func withMetadata(data []byte, segments int) []byte {
	segment := append([]byte{0xff, 0xe1, 0xff, 0xff}, bytes.Repeat([]byte{0xff, 0xda}, 0xfffd/2+1)[:0xfffd]...)
	return slices.Concat(data[:2], bytes.Repeat(segment, segments), data[2:])
}

func hugePNG(side uint32) []byte {
	var b bytes.Buffer
	png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1)))
	data := b.Bytes()
	binary.BigEndian.PutUint32(data[16:], side)
	binary.BigEndian.PutUint32(data[20:], side)
	binary.BigEndian.PutUint32(data[29:], pngChecksum(data[12:29]))
	return data
}

func pngChecksum(chunk []byte) uint32 {
	crc := ^uint32(0)
	for _, b := range chunk {
		crc ^= uint32(b)
		for range 8 {
			crc = crc>>1 ^ 0xedb88320*(crc&1)
		}
	}
	return ^crc
}

func TestBadFilesAreRefusedByReason(t *testing.T) {
	good := encodedJPEG(64, 64)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":               {nil, ReasonNotAnImage},
		"HTML":                  {[]byte("<!DOCTYPE html><html>"), ReasonNotAnImage},
		"SVG":                   {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), ReasonNotAnImage},
		"JPEG of 30000 x 30000": {patched(good, baselineFrame, 5, 0x75, 0x30, 0x75, 0x30), ReasonTooManyPixels},
		"JPEG of 0 x 64":        {patched(good, baselineFrame, 5, 0, 64, 0, 0), ReasonBadSize},
		"JPEG of 65535 x 1":     {patched(good, baselineFrame, 5, 0, 1, 0xff, 0xff), ReasonBadSize},
		"PNG of 50000 x 50000":  {hugePNG(50_000), ReasonTooManyPixels},
		"JPEG cut":              {good[:len(good)-20], ReasonTruncated},
		"JPEG cut in header":    {good[:30], ReasonTruncated},
		"PNG cut":               {readTestImage(t, "rgb.png")[:200], ReasonTruncated},
		"WebP cut":              {readTestImage(t, "lossless.webp")[:100], ReasonTruncated},
		"GIF cut":               {readTestImage(t, "animated.gif")[:150], ReasonTruncated},
		"no components":         {patched(good, baselineFrame, 9, 0), ReasonCorrupt},
		"12 bits":               {patched(good, baselineFrame, 4, 12), ReasonUnsupported},
		"arithmetic coding":     {patched(good, baselineFrame, 0, 0xff, 0xc9), ReasonUnsupported},
		"JPEG of 6000 x 6000":   {patched(good, baselineFrame, 5, 0x17, 0x70, 0x17, 0x70), ReasonTruncated},
		"PNG of 7000 x 7000":    {hugePNG(7000), ReasonTruncated},
		"animated WebP":         {[]byte("RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00"), ReasonUnsupported},
		"bad Huffman table":     {patched(good, "\xff\xc4", 5, 0xff, 0xff, 0xff, 0xff), ReasonCorrupt},
		"201 scans":             {manyScans(t, 201), ReasonTooManyScans},
		"10000 scans":           {manyScans(t, 10_000), ReasonTooManyScans},
	} {
		_, err := DecodeImage(c.data)
		var reason *DecodeError
		if !errors.As(err, &reason) || reason.Reason != c.want || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestHugeClaimsAllocateNothing(t *testing.T) {
	bomb := patched(encodedJPEG(64, 64), baselineFrame, 5, 0x75, 0x30, 0x75, 0x30)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	DecodeImage(bomb)
	runtime.ReadMemStats(&after)
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 1<<20 {
		t.Errorf("%d bytes allocated", bytes)
	}
}

func TestOddButValidFilesDecode(t *testing.T) {
	for name, data := range map[string][]byte{
		"one pixel":         encodedJPEG(1, 1),
		"strip":             encodedJPEG(1, 65_500),
		"one colour":        encodedJPEG(3000, 2000),
		"60 MB of metadata": withMetadata(encodedJPEG(20, 10), 960),
	} {
		if img, err := DecodeImage(data); err != nil || img.Width < 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScansAreCountedOutsideTheMetadata(t *testing.T) {
	baseline, progressive := encodedJPEG(64, 64), readTestImage(t, "progressive.jpg")
	for _, c := range []struct {
		data []byte
		want int
	}{
		{baseline, 1}, {withMetadata(baseline, 3), 1}, {progressive, 10}, {manyScans(t, 500), 509}, {progressive[:100], 0},
	} {
		if got := jpegScans(c.data); got != c.want {
			t.Errorf("%d bytes: %d scans, want %d", len(c.data), got, c.want)
		}
	}
}

func TestLimitsAreTheCallers(t *testing.T) {
	limits := DecodeLimits{MaxPixels: 100, MaxSide: 100, MaxScans: 1}
	for _, name := range []string{"rgb.jpg", "rgb.png"} {
		var reason *DecodeError
		if _, err := limits.Decode(readTestImage(t, name)); !errors.As(err, &reason) || reason.Reason != ReasonTooManyPixels {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeImage(f *testing.F) {
	names, err := filepath.Glob("testdata/images/*")
	if err != nil || len(names) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".rgb") {
			f.Add(readTestImage(f, filepath.Base(name)))
		}
	}
	limits := DecodeLimits{MaxPixels: 1 << 16, MaxSide: 1 << 12, MaxScans: 20}
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := limits.Decode(data)
		var reason *DecodeError
		if err != nil && !errors.As(err, &reason) {
			t.Fatalf("error of type %T", err)
		}
		if err == nil && (len(img.Pix) != 3*img.Width*img.Height || len(img.Pix) == 0) {
			t.Fatalf("%d x %d with %d bytes", img.Width, img.Height, len(img.Pix))
		}
	})
}

func BenchmarkDecodeImage(b *testing.B) {
	file := noisyJPEG(680, 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeImage(file); err != nil {
			b.Fatal(err)
		}
	}
}
