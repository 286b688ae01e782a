package coordinator

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// runOnRecord is a run's directory as coordinator and evaluator leave it half way.
func runOnRecord(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(writeJSON(dir, StatusFile, Status{Run: "world-abcde", Mode: "running", Step: 90, Committed: 89, Steps: 180, ImagesPerSecond: 91.5, Waiting: "waits for gradients of worker-2",
		Workers: []WorkerStatus{{Name: "worker-1", PID: 11, Step: 89, Lanes: []int{0, 1, 2, 3}, Device: "cpu", Role: "member", Doing: "backward lane 3"}}}))
	for step := range 90 {
		loss := 0.3 + 0.7/float64(1+step/4)
		must(appendLine(dir, MetricsFile, Metrics{Step: step, Losses: map[string]float64{"total": loss, "tcl_v": 2 * loss, "tcl_f": 1.5 * loss, "area_pos": loss / 4, "area_neg": loss / 8}}))
	}
	must(appendLine(dir, JournalFile, Entry{Time: "2026-01-02T03:04:05Z", Step: 45, Kind: "died", Fault: true, Text: "worker-2 has died", Worker: "worker-2"}))
	for i, miou := range []float64{0.115, 0.243, 0.301, 0.3344} {
		must(AddEvaluation(dir, Evaluation{Step: 30 * i, MIoU: miou, Scenes: 24}, plainPicture(t)))
	}
	return dir
}

var scenePaint = color.RGBA{255, 0, 255, 255}

func plainPicture(t *testing.T) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 822, 200))
	draw.Draw(m, m.Rect, image.NewUniform(scenePaint), image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEvaluationsAreReadAsTheyWereAdded(t *testing.T) {
	dir := runOnRecord(t)
	got, err := ReadEvaluations(dir)
	if err != nil || len(got) != 4 || got[3] != (Evaluation{90, 0.3344, 24, "step-000090.png"}) {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, e := range got {
		data, err := os.ReadFile(filepath.Join(dir, "pictures", e.Picture))
		if err != nil || !bytes.Equal(data, plainPicture(t)) {
			t.Errorf("step %d: the picture is another one: %v", e.Step, err)
		}
	}
}

func TestThePageReadsTheRunAndNothingElse(t *testing.T) {
	dir := runOnRecord(t)
	if err := os.WriteFile(filepath.Join(dir, "bus.json"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(pageHandler(dir))
	defer server.Close()
	for path, want := range map[string]int{
		"/": 200, "/page.js": 200, "/status.json": 200, "/evaluations.jsonl": 200, "/pictures/step-000030.png": 200,
		"/result.json": 404, "/bus.json": 404, "/run.json": 404, "/pictures/step-000031.png": 204, "/pictures/..%2Fbus.json": 204, "/pictures/": 404,
	} {
		answer, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != want || bytes.Contains(body, []byte("secret")) {
			t.Errorf("%s: %s, want %d", path, answer.Status, want)
		}
	}
}

func TestALoopbackPageAnswersNoOtherName(t *testing.T) {
	for host, want := range map[string]int{"127.0.0.1:80": 200, "localhost": 200, "[::1]:1": 200, "evil.example": 403, "10.0.0.1:80": 403} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		pageHandler(t.TempDir()).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", host, w.Code, want)
		}
	}
}

// browser finds a browser that draws without a screen.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("the page is not drawn: there is no chromium or google-chrome here")
	return ""
}

// browse opens the page in a browser, lets seconds of its clock pass, and returns its document and a screenshot.
func browse(t *testing.T, url string, flags ...string) (document string, screen image.Image) {
	t.Helper()
	shot := filepath.Join(t.TempDir(), "page.png")
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + t.TempDir(), "--hide-scrollbars", "--window-size=1280,1200",
		"--virtual-time-budget=3500", "--dump-dom", "--screenshot=" + shot}, flags...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser(t), append(args, url)...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	f, err := os.Open(shot)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if screen, err = png.Decode(f); err != nil {
		t.Fatal(err)
	}
	if keep := os.Getenv("TEXTGROUND_SCREENSHOTS"); keep != "" {
		data, err := os.ReadFile(shot)
		if err == nil {
			err = os.WriteFile(filepath.Join(keep, strings.ReplaceAll(t.Name(), "/", "-")+".png"), data, 0o644)
		}
		if err != nil {
			t.Error(err)
		}
	}
	return string(out), screen
}

// pixels counts those of one colour in a part of the screen.
func pixels(screen image.Image, part image.Rectangle, c color.RGBA) int {
	n := 0
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			if color.RGBAModel.Convert(screen.At(x, y)) == c {
				n++
			}
		}
	}
	return n
}

func TestThePageShowsCurvesAndMasksInLightAndDark(t *testing.T) {
	server := httptest.NewServer(pageHandler(runOnRecord(t)))
	defer server.Close()
	left, right, below := image.Rect(0, 100, 640, 380), image.Rect(640, 100, 1280, 380), image.Rect(0, 380, 1280, 1200)
	for theme, c := range map[string]struct {
		scheme               int        // of the browser's settings
		paper, accent, third color.RGBA // of page.css
	}{
		"light": {1, color.RGBA{0xfb, 0xfa, 0xf7, 255}, color.RGBA{0x2f, 0x6f, 0x9f, 255}, color.RGBA{0x5d, 0x8a, 0x32, 255}},
		"dark":  {0, color.RGBA{0x16, 0x19, 0x1f, 255}, color.RGBA{0x7d, 0xb7, 0xe0, 255}, color.RGBA{0xa3, 0xcd, 0x72, 255}},
	} {
		t.Run(theme, func(t *testing.T) {
			document, screen := browse(t, server.URL, fmt.Sprintf("--blink-settings=preferredColorScheme=%d", c.scheme))
			for _, want := range []string{"world-abcde", "step 90 of 180", "33.4 % after 90 steps, 11.5 % before", "in step 89", "pictures/step-000090.png", "worker-2 has died", "backward lane 3"} {
				if !strings.Contains(document, want) {
					t.Errorf("the page does not say %q", want)
				}
			}
			for _, want := range []struct {
				what  string
				part  image.Rectangle
				c     color.RGBA
				least int
			}{
				{"paper", screen.Bounds(), c.paper, 10_000}, {"picture", below, scenePaint, 822 * 150},
				{"total loss", left, c.accent, 100}, {"loss term", left, c.third, 100}, {"mIoU", right, c.accent, 100},
			} {
				if n := pixels(screen, want.part, want.c); n < want.least {
					t.Errorf("%s: %d pixels of its colour where it belongs, want at least %d", want.what, n, want.least)
				}
			}
		})
	}
}
