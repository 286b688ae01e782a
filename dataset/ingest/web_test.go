package ingest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// web is a loopback server with everything that a list of URLs leads to. It counts what it is asked.
type web struct {
	*httptest.Server
	pictures [][]byte // JPEGs of several sizes and colours
	png      []byte
	bomb     []byte // a JPEG header of 30000 x 30000 pixels
	packed   []byte // a megabyte of zeros, compressed

	mu    sync.Mutex
	asked map[string]int
	agent string
}

func newWeb(t testing.TB) *web {
	w := &web{asked: map[string]int{}}
	for i, size := range []image.Point{{X: 112, Y: 96}, {X: 60, Y: 50}, {X: 80, Y: 120}, {X: 30, Y: 40}} {
		w.pictures = append(w.pictures, testJPEG(size, i))
	}
	var b bytes.Buffer
	png.Encode(&b, testPicture(image.Point{X: 80, Y: 66}, 9))
	w.png = b.Bytes()
	w.bomb = bombJPEG()
	var z bytes.Buffer
	packer := gzip.NewWriter(&z)
	packer.Write(make([]byte, 1<<20))
	packer.Close()
	w.packed = z.Bytes()
	w.Server = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(func() {
		w.CloseClientConnections()
		w.Close()
	})
	return w
}

func testPicture(size image.Point, seed int) image.Image {
	p := image.NewNRGBA(image.Rectangle{Max: size})
	for y := range size.Y {
		for x := range size.X {
			p.SetNRGBA(x, y, color.NRGBA{uint8(x*3 + 40*seed), uint8(y*2 + 17*seed), uint8((x^y)&63 + 64*(seed%3)), 255})
		}
	}
	return p
}

func testJPEG(size image.Point, seed int) []byte {
	var b bytes.Buffer
	jpeg.Encode(&b, testPicture(size, seed), nil)
	return b.Bytes()
}

// bombJPEG claims 30000 x 30000 pixels in few bytes.
func bombJPEG() []byte {
	data := testJPEG(image.Point{X: 16, Y: 16}, 0)
	at := bytes.Index(data, []byte("\xff\xc0\x00\x11"))
	copy(data[at+5:], []byte{0x75, 0x30, 0x75, 0x30})
	return data[:600]
}

func (w *web) count(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[path]
}

// forget makes the next request the first one again.
func (w *web) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.asked)
}

// serve answers by the first word of the path; what follows makes URLs differ.
func (w *web) serve(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.asked[r.URL.Path]++
	times := w.asked[r.URL.Path]
	w.agent = r.UserAgent()
	w.mu.Unlock()
	h := fnv.New32a()
	io.WriteString(h, r.URL.Path)
	picture := w.pictures[h.Sum32()%uint32(len(w.pictures))]
	word, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch word {
	case "jpeg":
		out.Header().Set("Content-Type", "image/jpeg")
		out.Write(picture)
	case "png":
		out.Write(w.png)
	case "wrongtype": // a good picture, called HTML
		out.Header().Set("Content-Type", "text/html")
		out.Write(picture)
	case "moved":
		http.Redirect(out, r, strings.Replace(r.URL.Path, "moved", "jpeg", 1), http.StatusMovedPermanently)
	case "again": // fails once
		if times == 1 {
			out.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		out.Write(picture)
	case "404":
		http.NotFound(out, r)
	case "500":
		http.Error(out, "broken", http.StatusInternalServerError)
	case "429":
		out.WriteHeader(http.StatusTooManyRequests)
	case "slow": // a byte, and no second one
		out.Write([]byte{0xff})
		out.(http.Flusher).Flush()
		<-r.Context().Done()
	case "endless":
		for chunk := bytes.Repeat([]byte("endless"), 10_000); r.Context().Err() == nil; {
			if _, err := out.Write(chunk); err != nil {
				return
			}
		}
	case "loop":
		http.Redirect(out, r, r.URL.Path, http.StatusFound)
	case "html":
		io.WriteString(out, "<!DOCTYPE html><html><script>alert(1)</script></html>")
	case "svg":
		io.WriteString(out, `<svg xmlns="http://www.w3.org/2000/svg"/>`)
	case "bomb":
		out.Write(w.bomb)
	case "gzip": // a bomb of zeros
		out.Header().Set("Content-Encoding", "gzip")
		out.Write(w.packed)
	case "truncated":
		out.Write(picture[:len(picture)/2])
	case "liar": // promises more than it sends
		out.Header().Set("Content-Length", fmt.Sprint(len(picture)+1000))
		out.Write(picture)
	case "large": // promises more than is taken
		out.Header().Set("Content-Length", fmt.Sprint(1<<40))
		out.WriteHeader(http.StatusOK)
	case "noai":
		out.Header().Set("X-Robots-Tag", "noai")
		out.Write(picture)
	case "private": // leads elsewhere on this machine, by another name
		http.Redirect(out, r, "http://[::ffff:127.0.0.1]:1/", http.StatusFound)
	default:
		http.NotFound(out, r)
	}
}

// mixture says which class each kind of URL must end in, and how many of a hundred there are.
var mixture = []struct {
	word  string
	share int
	want  Class
}{
	{"jpeg", 50, Answered}, {"png", 10, Answered}, {"wrongtype", 5, Answered}, {"moved", 5, Answered}, {"again", 3, Answered},
	{"404", 6, ClientError}, {"500", 3, ServerError}, {"429", 1, TooManyRequests}, {"slow", 1, Timeout}, {"endless", 1, TooLarge},
	{"loop", 2, TooManyRedirects}, {"html", 3, NotAnImage}, {"svg", 1, NotAnImage}, {"bomb", 2, TooManyPixels}, {"gzip", 1, NotAnImage},
	{"truncated", 2, BadImage}, {"liar", 1, Connection}, {"large", 1, TooLarge}, {"noai", 2, OptedOut},
}

// rows returns a list of n mixed URLs, and the class that each must end in.
func (w *web) rows(n int) (list []Row, want []Class) {
	var words []int
	for i, m := range mixture {
		for range m.share {
			words = append(words, i)
		}
	}
	for i := range n {
		m := mixture[words[i*37%len(words)]] // 37 and 100 have no common divisor: all kinds are spread
		list = append(list, Row{Number: i, URL: fmt.Sprintf("%s/%s/%d", w.URL, m.word, i), Caption: fmt.Sprintf("picture number %d,\nof kind %s", i, m.word)})
		want = append(want, m.want)
	}
	return list, want
}

// quick are settings for tests: what must fail fails soon.
func quick(perShard int) Settings {
	s := DefaultSettings()
	s.PerShard, s.ShortSide, s.MaxBytes, s.Tries, s.Backoff, s.Timeout = perShard, 64, 1<<18, 2, time.Millisecond, 3*time.Second
	return s
}

// loopback lets a crawl of this machine go fast.
func loopback() Fetching {
	how := DefaultFetching()
	how.AllowPrivate, how.PerHost, how.Interval, how.AtOnce, how.MemoryBytes = true, 64, 0, 64, 64<<20
	return how
}
