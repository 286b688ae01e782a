package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/store"
)

// These are the rows of reliability.md section 5.5 that reach an ingest.

func wantClass(t *testing.T, what string, data []byte, want Class) {
	t.Helper()
	for _, codec := range codecs(t) {
		_, err := DefaultSettings().makePicture(codec, data, &scratch{})
		var failed *failure
		got := Answered
		if errors.As(err, &failed) {
			got = failed.class
		}
		if got != want {
			t.Errorf("%s with %s: %s (%v), want %s", what, codec.Name(), got, err, want)
		}
	}
}

var fastCodec = sync.OnceValues(func() (*Codec, error) { return OpenCodec("") })

// codecs are Go's and, where the machine has it, libjpeg-turbo.
func codecs(t *testing.T) []*Codec {
	fast, err := fastCodec()
	if err != nil {
		t.Fatal(err)
	}
	if fast == nil {
		return []*Codec{nil}
	}
	return []*Codec{nil, fast}
}

func TestBadInputRow1ABombAllocatesNothing(t *testing.T) {
	bomb := bombJPEG()
	codecs(t) // opening a library is not the bomb's doing
	wantSmall(t, 1<<20, func() { wantClass(t, "30000 x 30000 in 600 bytes", bomb, TooManyPixels) })
}

// wantSmall asserts that do takes at most so many bytes of memory.
func wantSmall(t *testing.T, most uint64, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > most {
		t.Errorf("%d bytes allocated, at most %d are right", n, most)
	}
}

func TestAFooterThatIsLongerThanItsParquetFileAllocatesNothing(t *testing.T) {
	data := parquetFileOf(t, 5)
	copy(data[len(data)-8:], "\xff\xff\xff\xbf") // of 3 GB
	wantSmall(t, 4<<20, func() {
		for _, err := range readParquet("f", bytes.NewReader(data), int64(len(data)), Columns{}) {
			if err == nil || !strings.Contains(err.Error(), "its footer is said to have 3221225471 bytes") {
				t.Error(err)
			}
		}
	})
}

func TestBadInputRow2DamagedJPEGs(t *testing.T) {
	good := testJPEG(image.Point{X: 64, Y: 64}, 1)
	patched := func(marker string, at int, with ...byte) []byte {
		data := bytes.Clone(good)
		copy(data[bytes.Index(data, []byte(marker))+at:], with)
		return data
	}
	wantClass(t, "truncated", good[:len(good)/2], BadImage)
	wantClass(t, "bad Huffman code", patched("\xff\xc4", 5, 0xff, 0xff, 0xff, 0xff), BadImage)
	wantClass(t, "no components", patched("\xff\xc0", 9, 0), BadImage)
	wantClass(t, "12 bits", patched("\xff\xc0", 4, 12), BadImage)
	if _, err := DefaultSettings().makePicture(nil, patched("\xff\xc0", 1, 0xc9), &scratch{}); err == nil { // libjpeg-turbo reads it
		t.Error("arithmetic coding")
	}
	cmyk, err := os.ReadFile("../testdata/images/cmyk.jpg")
	if err != nil {
		t.Fatal(err)
	}
	s := DefaultSettings()
	s.MinSide = 1
	if p, err := s.makePicture(codecs(t)[0], cmyk, &scratch{}); err != nil || p.width != 16 {
		t.Errorf("CMYK: %v", err)
	}
	progressive, err := os.ReadFile("../testdata/images/progressive.jpg")
	if err != nil {
		t.Fatal(err)
	}
	last, end := bytes.LastIndex(progressive, []byte("\xff\xda")), bytes.LastIndex(progressive, []byte("\xff\xd9"))
	wantClass(t, "10 000 scans", bytes.Join([][]byte{progressive[:last], bytes.Repeat(progressive[last:end], 10_000), progressive[end:]}, nil), BadImage)
}

func TestBadInputRow3MetadataAndOddShapes(t *testing.T) {
	good := testJPEG(image.Point{X: 64, Y: 48}, 2)
	segment := append([]byte{0xff, 0xe1, 0xff, 0xff}, bytes.Repeat([]byte{0}, 0xfffd)...)
	heavy := bytes.Join([][]byte{good[:2], bytes.Repeat(segment, 960), good[2:]}, nil)
	p, err := DefaultSettings().makePicture(nil, heavy, &scratch{})
	if err != nil || len(p.data) > 1<<16 {
		t.Errorf("60 MB of metadata: %d bytes kept, %v", len(p.data), err)
	}
	wantClass(t, "1 x 1", testJPEG(image.Point{X: 1, Y: 1}, 0), BadSize)
	wantClass(t, "a strip", testJPEG(image.Point{X: 17, Y: 6000}, 0), BadSize)
	var grey bytes.Buffer
	jpeg.Encode(&grey, image.NewGray(image.Rect(0, 0, 700, 600)), nil)
	if p, err := DefaultSettings().makePicture(nil, grey.Bytes(), &scratch{}); err != nil || p.width != 597 || p.height != 512 {
		t.Errorf("grey: %d x %d, %v", p.width, p.height, err)
	}
}

func TestBadInputRow4WhatIsCalledJPEG(t *testing.T) {
	var file bytes.Buffer
	png.Encode(&file, testPicture(image.Point{X: 32, Y: 32}, 0))
	wantClass(t, "a PNG", file.Bytes(), Answered)
	wantClass(t, "HTML", []byte("<!DOCTYPE html>"), NotAnImage)
	wantClass(t, "SVG", []byte("<svg/>"), NotAnImage)
	wantClass(t, "nothing", nil, NotAnImage)
}

// Rows 5 and 6 are about shards that others wrote. Ours have plain keys whatever the list says, and are whole or not there.
func TestBadInputRows5And6ShardsHavePlainNamesAndAnEnd(t *testing.T) {
	w, home := newWeb(t), store.NewMem()
	rows := []Row{{URL: w.URL + "/jpeg/../../x", Caption: "../../x"}, {URL: w.URL + "/jpeg/%00con"}, {URL: w.URL + "/jpeg/" + strings.Repeat("y", 7000)}}
	crawlWith(t, home, begin(t, home, rows, quick(10)), 1)
	ix, _, err := WriteIndex(t.Context(), home)
	if err != nil || ix.Shards[0].Skipped != nil {
		t.Fatalf("%+v, %v", ix, err)
	}
	for i := range ix.Samples() {
		if name := ix.Name(dataset.SampleID(i)); strings.ContainsAny(name, "/\\\x00") {
			t.Errorf("%q", name)
		}
	}
	if report, err := dataset.Verify(t.Context(), home, "", nil, nil); err != nil || !report.Sound() {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestBadInputRow7Captions(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""}, {" \t\n", ""}, {"a\x00b", "ab"}, {"a\x1b[31mred\u202egreen", "a[31mredgreen"}, {"caf\xe9", "caf\ufffd"}, {"<|endoftext|>", "<|endoftext|>"},
		{"<script>alert(1)</script>", "<script>alert(1)</script>"}, {"e" + strings.Repeat("\u0301", 100_000), "e" + strings.Repeat("\u0301", 4)},
		{"  two\r\n words ", "two words"}, {"日本 語", "日本 語"},
	} {
		if got := cleanCaption(c.in, 4096); got != c.want {
			t.Errorf("%.40q: %.40q", c.in, got)
		}
	}
	if got := cleanCaption(strings.Repeat("日", 1<<20), 4096); len(got) > 4096 || !utf8.ValidString(got) {
		t.Errorf("%d bytes", len(got))
	}
}

func fetchOne(t *testing.T, s Settings, how Fetching, url string) (Class, int, error) {
	t.Helper()
	f := newFetcher(t.Context(), s, how, &Counts{})
	defer f.close()
	b, tries, err := f.fetch(t.Context(), url)
	if err == nil {
		b.release()
		return Answered, tries, nil
	}
	var failed *failure
	if errors.As(err, &failed) {
		return failed.class, tries, err
	}
	return "", tries, err
}

func TestBadInputRow16AddressesAreRefusedWhereTheConnectionIsMade(t *testing.T) {
	w := newWeb(t)
	port := w.URL[strings.LastIndexByte(w.URL, ':'):]
	s := quick(1)
	s.IgnoreRobots = true
	how := loopback()
	how.AllowPrivate = false
	how.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) { // as a resolver that is generous with spellings
		switch host {
		case "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "rebound.example":
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		return nil, &net.DNSError{IsNotFound: true}
	}
	for url, want := range map[string]Class{
		"file:///etc/passwd": BadURL, "gopher://a.example/": BadURL, "": BadURL, "//a.example/x": BadURL, "http://": BadURL, "http://user:pw@a.example/": BadURL,
		"http://127.0.0.1" + port: RefusedAddress, "http://[::1]" + port: RefusedAddress, "http://169.254.169.254/latest": RefusedAddress,
		"http://2130706433" + port: RefusedAddress, "http://0x7f.1" + port: RefusedAddress, "http://0177.0.0.1" + port: RefusedAddress,
		"http://[::ffff:127.0.0.1]" + port: RefusedAddress, "http://[::ffff:a9fe:a9fe]/": RefusedAddress, "http://10.1.2.3/": RefusedAddress,
		"http://100.64.0.1/": RefusedAddress, "http://0.0.0.0" + port: RefusedAddress, "http://localhost" + port: RefusedAddress,
		"http://[fe80::1]/": RefusedAddress, "http://[64:ff9b::7f00:1]/": RefusedAddress, "http://rebound.example" + port: RefusedAddress,
		"http://nobody.example/": NoSuchHost,
		// A name that changes its address between check and connection is judged by the connection: there is no other check.
	} {
		if got, _, err := fetchOne(t, s, how, url); got != want {
			t.Errorf("%s: %s (%v), want %s", url, got, err, want)
		}
	}
	if n := w.count("/"); n != 0 {
		t.Errorf("the server was reached %d times", n)
	}
}

func TestBadInputRow16RedirectsAreJudgedLikeURLs(t *testing.T) {
	w := newWeb(t)
	s := quick(1)
	if got, _, err := fetchOne(t, s, loopback(), w.URL+"/loop/1"); got != TooManyRedirects || w.count("/loop/1") != s.MaxRedirects+1 {
		t.Errorf("%s (%v) after %d requests", got, err, w.count("/loop/1"))
	}
	away := "http://10.0.0.1/"
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(out http.ResponseWriter, r *http.Request) { http.Redirect(out, r, away, http.StatusFound) })
	w.Config.Handler = mux
	s.IgnoreRobots = true
	f := newFetcher(t.Context(), s, loopback(), &Counts{})
	defer f.close()
	dialer := &net.Dialer{Control: onlyPublic}
	f.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == w.Listener.Addr().String() { // the server stands in for a public one
			return net.Dial(network, address)
		}
		return dialer.DialContext(ctx, network, address)
	}
	_, _, err := f.fetch(t.Context(), w.URL+"/x")
	var failed *failure
	if !errors.As(err, &failed) || failed.class != RefusedAddress {
		t.Errorf("redirect to a private address: %v", err)
	}
	away = "file:///etc/passwd"
	if _, _, err = f.fetch(t.Context(), w.URL+"/y"); !errors.As(err, &failed) || failed.class != BadURL {
		t.Errorf("redirect to a file: %v", err)
	}
}

func TestBadInputRow16BodiesHaveLimits(t *testing.T) {
	w := newWeb(t)
	s := quick(1)
	s.Timeout, s.Tries = 500*time.Millisecond, 1
	for word, want := range map[string]Class{"endless": TooLarge, "slow": Timeout, "large": TooLarge, "liar": Connection} {
		if got, _, err := fetchOne(t, s, loopback(), w.URL+"/"+word+"/1"); got != want {
			t.Errorf("%s: %s (%v), want %s", word, got, err, want)
		}
	}
}

func TestOnlyFailuresThatMayPassAreTriedAgain(t *testing.T) {
	w := newWeb(t)
	s := quick(1)
	s.Tries = 3
	for word, want := range map[string]int{"jpeg": 1, "again": 2, "500": 3, "429": 3, "404": 1, "loop": 1} {
		if _, tries, _ := fetchOne(t, s, loopback(), w.URL+"/"+word+"/1"); tries != want {
			t.Errorf("%s: %d tries, want %d", word, tries, want)
		}
	}
}

func TestADeadResolverIsNoDeadLink(t *testing.T) {
	s := quick(1)
	how := loopback()
	servfail := &net.DNSError{IsTemporary: true, Err: "server misbehaving"}
	how.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) { return nil, servfail }
	if class, _, err := fetchOne(t, s, how, "http://a.example/"); class != "" || !errors.Is(err, ErrResolver) {
		t.Errorf("%s, %v", class, err)
	}
	how.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		if host == "broken.example" {
			return nil, servfail
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	s.IgnoreRobots, s.Tries = true, 1
	f := newFetcher(t.Context(), s, how, &Counts{})
	defer f.close()
	f.fetch(t.Context(), "http://fine.example:1/")
	_, _, err := f.fetch(t.Context(), "http://broken.example/")
	var failed *failure
	if !errors.As(err, &failed) || failed.class != BrokenName {
		t.Errorf("one broken name: %v", err)
	}
	home := store.NewMem()
	plan := begin(t, home, []Row{{URL: "http://a.example/"}}, quick(1))
	how.Lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, servfail }
	desk, _ := NewDesk(t.Context(), home, plan, time.Now)
	c, err := NewCrawler(t.Context(), "a", home, plan, how)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context(), desk); !errors.Is(err, ErrResolver) {
		t.Errorf("%v", err)
	}
	if sealed, _ := sealedParts(t.Context(), home, 0); len(sealed) != 0 {
		t.Error("a part was sealed without a resolver")
	}
}

func TestRobotsAndHostsAreAskedPolitely(t *testing.T) {
	w := newWeb(t)
	var mu sync.Mutex
	under, most, robotsAsked := 0, 0, 0
	w.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/robots.txt" {
			robotsAsked++
			fmt.Fprint(out, "User-agent: textground\nDisallow: /no\n")
			return
		}
		if under++; under > most {
			most = under
		}
		mu.Unlock()
		out.Write(w.png)
		mu.Lock()
		under--
	})
	how := loopback()
	how.PerHost, how.Interval = 2, 5*time.Millisecond
	f := newFetcher(t.Context(), quick(1), how, &Counts{})
	defer f.close()
	began := time.Now()
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			b, _, err := f.fetch(t.Context(), fmt.Sprintf("%s/yes/%d", w.URL, i))
			if err != nil {
				t.Error(err)
				return
			}
			b.release()
		})
	}
	group.Wait()
	if most > 2 || robotsAsked != 1 || time.Since(began) < 19*how.Interval {
		t.Errorf("%d at once, robots.txt asked %d times, all within %s", most, robotsAsked, time.Since(began))
	}
	_, _, err := f.fetch(t.Context(), w.URL+"/no/1")
	var failed *failure
	if !errors.As(err, &failed) || failed.class != ByRobots {
		t.Error(err)
	}
	if len(f.manners.hosts) > 1 {
		t.Errorf("%d hosts remembered", len(f.manners.hosts))
	}
}

func TestShrinkingKeepsColoursAndMeans(t *testing.T) {
	flat := image.NewNRGBA(image.Rect(0, 0, 900, 700))
	for i := 0; i < len(flat.Pix); i += 4 {
		copy(flat.Pix[i:], []uint8{200, 30, 90, 255})
	}
	var file bytes.Buffer
	jpeg.Encode(&file, flat, &jpeg.Options{Quality: 95})
	for name, picture := range map[string]image.Image{"planes": must(jpeg.Decode(&file)), "pixels": flat} {
		small := shrink(picture, 658, 512, &scratch{})
		if small.Bounds().Size() != (image.Point{X: 658, Y: 512}) {
			t.Fatalf("%s: %v", name, small.Bounds())
		}
		for _, at := range []image.Point{{}, {X: 657, Y: 511}, {X: 300, Y: 200}} {
			c := color.NRGBAModel.Convert(small.At(at.X, at.Y)).(color.NRGBA)
			if near := func(a, b uint8) bool { return max(a, b)-min(a, b) <= 3 }; !near(c.R, 200) || !near(c.G, 30) || !near(c.B, 90) {
				t.Errorf("%s at %v: %v", name, at, c)
			}
		}
	}
}

func TestTapsSumToOneInsideTheLine(t *testing.T) {
	for from := 1; from < 300; from += 7 {
		for _, to := range []int{1, (from + 1) / 2, from} {
			taps := triangle(from, to)
			for i, first := range taps.first {
				sum := 0
				for _, w := range taps.weights[i*taps.width:][:taps.width] {
					sum += int(w)
				}
				if sum != weightOne || first < 0 || int(first)+taps.width > from {
					t.Fatalf("%d to %d: %+v", from, to, taps)
				}
			}
		}
	}
}

func TestVectorCodeComputesTheSameIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width, height := rapid.IntRange(1, 90).Draw(t, "width"), rapid.IntRange(1, 60).Draw(t, "height")
		p := plane{rapid.SliceOfN(rapid.Uint8(), width*height, width*height).Draw(t, "pix"), width, width, height, 1}
		across, down := triangle(width, rapid.IntRange(1, width).Draw(t, "across")), triangle(height, rapid.IntRange(1, height).Draw(t, "down"))
		stride := len(across.first)
		fast, slow := make([]uint8, stride*height), make([]uint8, stride*height)
		p.narrow(fast, across)
		p.narrowGo(slow, across)
		if !bytes.Equal(fast, slow) {
			t.Fatal("rows differ")
		}
		low, want := make([]uint8, stride*len(down.first)), make([]uint8, stride*len(down.first))
		lower(low, slow, stride, down)
		lowerGo(want, slow, stride, down)
		if !bytes.Equal(low, want) {
			t.Fatal("columns differ")
		}
	})
}

func TestBothCodecsMakeAlmostTheSamePicture(t *testing.T) {
	s := DefaultSettings()
	s.ShortSide = 100
	for _, size := range []image.Point{{X: 480, Y: 420}, {X: 233, Y: 167}, {X: 1000, Y: 900}} {
		soft := image.NewNRGBA(image.Rectangle{Max: size})
		for i := range size.X * size.Y {
			copy(soft.Pix[4*i:], []uint8{uint8(i % size.X * 255 / size.X), uint8(i / size.X * 255 / size.Y), uint8(i / size.X * i % size.X / 2000), 255})
		}
		var file bytes.Buffer
		jpeg.Encode(&file, soft, nil)
		smooth := file.Bytes()
		var pictures []image.Image
		for _, codec := range codecs(t) {
			p, err := s.makePicture(codec, smooth, &scratch{})
			if err != nil || min(p.width, p.height) != 100 || p.originalWidth != size.X {
				t.Fatalf("%s: %+v, %v", codec.Name(), p, err)
			}
			pictures = append(pictures, must(jpeg.Decode(bytes.NewReader(p.data))))
		}
		sum, n := 0, 0
		for y := range pictures[0].Bounds().Dy() {
			for x := range pictures[0].Bounds().Dx() {
				a, _, _, _ := pictures[0].At(x, y).RGBA()
				b, _, _, _ := pictures[len(pictures)-1].At(x, y).RGBA()
				sum, n = sum+max(int(a)-int(b), int(b)-int(a))>>8, n+1
			}
		}
		if sum > 3*n {
			t.Errorf("%v: %.1f apart on average", size, float64(sum)/float64(n))
		}
	}
}

func BenchmarkPicture(b *testing.B) {
	fast, _ := OpenCodec("")
	names, _ := filepath.Glob(os.Getenv("TEXTGROUND_PICTURES") + "/*.jpg")
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		for _, codec := range []*Codec{nil, fast} {
			b.Run(filepath.Base(name)+"/"+codec.Name(), func(b *testing.B) {
				for b.Loop() {
					if _, err := DefaultSettings().makePicture(codec, data, &scratch{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func must(i image.Image, err error) image.Image {
	if err != nil {
		panic(err)
	}
	return i
}

func TestACodecThatDoesNotExistIsNamedWithThoseThatDo(t *testing.T) {
	if _, err := OpenCodec("fast"); err == nil || !strings.Contains(err.Error(), `"fast"; take go, or turbo`) {
		t.Error(err)
	}
}
