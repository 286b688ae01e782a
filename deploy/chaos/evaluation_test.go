//go:build cgo

package chaos

import (
	"bytes"
	"context"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/textground/textground/coordinator"
)

// evaluated is the tiny run measured on its way.
func (p *place) evaluated() string {
	return p.edited("evaluation: {", "evaluation: {every: 4, ")
}

func (p *place) evaluations(id string) []coordinator.Evaluation {
	p.t.Helper()
	list, err := coordinator.ReadEvaluations(p.runDir(id))
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

func TestARunIsMeasuredOnItsWayOnceAStepAndGoesOnAfterResume(t *testing.T) {
	p := newPlace(t)
	p.start("train", p.evaluated(), "--json", "--page", "", "--workers", "2", "--run", "watched", "--steps", "6").result()
	mustHaveSteps(t, p.evaluations("watched"), 0, 4)
	mustEqualTruth(t, p.start("resume", "watched", "--json", "--page", "").result())
	list := p.evaluations("watched")
	mustHaveSteps(t, list, 0, 4, 8, 12)
	for _, e := range list {
		data, err := os.ReadFile(filepath.Join(p.runDir("watched"), "pictures", e.Picture))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(bytes.NewReader(data)); err != nil || e.Scenes != 16 || !(e.MIoU > 0 && e.MIoU < 1) {
			t.Errorf("%+v: picture %v", e, err)
		}
	}
	again := newPlace(t)
	again.start("train", again.evaluated(), "--json", "--page", "", "--workers", "1", "--run", "watched").result()
	for _, e := range again.evaluations("watched") {
		if e != list[e.Step/4] || !bytes.Equal(again.picture("watched", e), p.picture("watched", e)) {
			t.Errorf("step %d: another run of the same file finds %+v, not %+v, or draws another picture", e.Step, e, list[e.Step/4])
		}
	}
}

func (p *place) picture(id string, e coordinator.Evaluation) []byte {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.runDir(id), "pictures", e.Picture))
	if err != nil {
		p.t.Fatal(err)
	}
	return data
}

func mustHaveSteps(t *testing.T, list []coordinator.Evaluation, want ...int) {
	t.Helper()
	var have []int
	for _, e := range list {
		have = append(have, e.Step)
	}
	if len(have) != len(want) {
		t.Fatalf("evaluations of steps %v, want %v", have, want)
	}
	for i := range want {
		if have[i] != want[i] {
			t.Fatalf("evaluations of steps %v, want %v", have, want)
		}
	}
}

func TestAnEvaluationThatFailsCostsALineOfLogAndNothingElse(t *testing.T) {
	p := newPlace(t)
	inTheWay := filepath.Join(p.runDir("blind"), "pictures")
	if err := os.MkdirAll(filepath.Dir(inTheWay), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(inTheWay, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	mustEqualTruth(t, p.start("train", p.evaluated(), "--json", "--page", "", "--workers", "2", "--run", "blind").result())
	log, err := os.ReadFile(filepath.Join(p.runDir("blind"), "logs", "evaluator.log"))
	if n := bytes.Count(log, []byte("the run goes on without it")); err != nil || n != 4 {
		t.Errorf("%d lines tell of failed evaluations, want 4 (%v):\n%s", n, err, log)
	}
}

// A run directory without room for the evaluator's log stands for whatever keeps it from starting.
func TestAnEvaluatorThatCannotLiveIsGivenUpAndTheRunGoesOn(t *testing.T) {
	p := newPlace(t)
	if err := os.MkdirAll(filepath.Join(p.runDir("alone"), "logs", "evaluator.log"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := p.start("train", p.evaluated(), "--json", "--page", "", "--workers", "2", "--run", "alone")
	mustEqualTruth(t, c.result())
	if text := c.errs.String(); strings.Count(text, "the run goes on without evaluations") != 1 {
		t.Errorf("not told where the run was started:\n%s", text)
	}
}

// The run is held half way, so that there is time to look at its page.
func TestTheLivePageShowsCurvesAndMasksOfARunUnderWay(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("the page is not looked at: there is no chromium here")
	}
	p := newPlace(t)
	c := p.start("train", p.evaluated(), "--json", "--workers", "1", "--run", "seen")
	s := p.atStep("seen", 6)
	stop(t, s.Workers[0].PID)
	eventually(t, "the evaluation of step 4", patience, func() bool { return len(p.evaluations("seen")) > 1 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(), "--virtual-time-budget=3000", "--dump-dom", s.Page)
	document, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	for _, want := range []string{"% after 4 steps", "pictures/step-000004.png", `<div id="loss"><div class="uplot`, `<div id="miou"><div class="uplot`, "worker-1"} {
		if !strings.Contains(string(document), want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	answer, err := http.Get(s.Page + "pictures/step-000004.png")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	served, err := io.ReadAll(answer.Body)
	if err != nil || !bytes.Equal(served, p.picture("seen", p.evaluations("seen")[1])) {
		t.Errorf("the page's picture is not the evaluator's: %s, %v", answer.Status, err)
	}
	proceed(t, s.Workers[0].PID)
	mustEqualTruth(t, c.result())
}
