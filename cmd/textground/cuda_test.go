//go:build cuda && cgo

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/textground/textground/coordinator"
)

// The binary with CUDA inside on emulated cards. What is run here takes seconds on a card and minutes on the emulator.
func TestCards(t *testing.T) {
	if d := os.Getenv("TEXTGROUND_CUDA_DRIVER"); d == "" || d == "libcuda.so.1" {
		t.Skip("TEXTGROUND_CUDA_DRIVER does not name the emulator's driver, whose cards fail on demand: make test-cuda builds it")
	}
	binary := filepath.Join(t.TempDir(), "textground")
	if out, err := exec.Command("go", "build", "-tags", "cuda", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for promise, check := range map[string]func(*emulated){
		"a run that does not fit is refused with the micro-batch that fits": refusesWhatDoesNotFit,
		"a card that dies in mid-step costs its worker and no bit":          survivesADeadCard,
		"each of the GPUs gets a worker":                                    spreadsOverCards,
		"any number of cards gives the same bits":                           givesTheSameBits,
	} {
		t.Run(promise, func(t *testing.T) { check(&emulated{t, binary, t.TempDir()}) })
	}
}

// emulated is a directory for runs.
type emulated struct {
	t      *testing.T
	binary string
	dir    string
}

// pairFile is examples/tiny.yaml cut down to so many steps of two lanes, with other settings laid over it.
func (e *emulated) pairFile(settings ...string) string {
	e.t.Helper()
	data, err := os.ReadFile("../../examples/tiny.yaml")
	if err != nil {
		e.t.Fatal(err)
	}
	text := string(data)
	for _, setting := range append([]string{"steps: 3", "phase2_from: 1", "batch: 4", "micro_batch: 2"}, settings...) {
		key, _, _ := strings.Cut(setting, ":")
		text = regexp.MustCompile(`(?m)^`+key+`: .*$`).ReplaceAllString(text, setting)
	}
	text = strings.Replace(text, "scenes: 96, seed: 2, per_shard: 24", "scenes: 24, seed: 2, per_shard: 12", 1)
	text = strings.Replace(text, "window: 48", "window: 24", 1)
	file := filepath.Join(e.dir, "pair.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		e.t.Fatal(err)
	}
	return file
}

// command is one of the binary's, with a limit on its life.
func (e *emulated) command(settings []string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	e.t.Cleanup(cancel)
	c := exec.CommandContext(ctx, e.binary, args...)
	c.Dir, c.Env = e.dir, append(os.Environ(), settings...)
	return c
}

// output runs a command and returns what it printed, and its exit code.
func (e *emulated) output(settings []string, args ...string) (stdout, stderr string, code int) {
	e.t.Helper()
	var out, errs bytes.Buffer
	c := e.command(settings, args...)
	c.Stdout, c.Stderr = &out, &errs
	c.Run()
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

func (e *emulated) digest(stdout string) string {
	e.t.Helper()
	var r coordinator.Result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.Outcome != "done" {
		e.t.Fatalf("%v: %s", err, stdout)
	}
	return r.ParamsSHA256
}

func refusesWhatDoesNotFit(e *emulated) {
	file := e.pairFile("batch: 12", "micro_batch: 12")
	_, stderr, code := e.output([]string{"TG_EMU_MEMORY=41943040"}, "train", file, "--device", "cuda", "--workers", "1", "--page", "")
	if code != exitBadInput || !regexp.MustCompile(`a step with micro_batch 12 needs \d+ MiB on cuda-sm90-\S+, which has 40 MiB free: micro_batch \d fits`).MatchString(stderr) {
		e.t.Errorf("exit code %d: %s", code, stderr)
	}
}

func survivesADeadCard(e *emulated) {
	t := e.t
	file := e.pairFile()
	out, stderr, code := e.output(nil, "train", file, "--device", "cuda", "--workers", "1", "--page", "", "--json", "--run", "truth")
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	truth := e.digest(out)

	train := e.command(nil, "train", file, "--device", "cuda", "--workers", "1", "--page", "", "--json", "--run", "shared")
	var trained, errs bytes.Buffer
	train.Stdout, train.Stderr = &trained, &errs
	if err := train.Start(); err != nil {
		t.Fatal(err)
	}
	bus := filepath.Join(e.dir, "runs", "shared", busFile)
	for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(10 * time.Millisecond) { // until it can be joined
		if _, err := os.Stat(bus); err == nil {
			break
		}
	}
	_, stderr, code = e.output([]string{"TG_EMU_FAIL_AFTER=150"}, "worker", "shared", "--device", "cuda", "--name", "doomed")
	if code != exitFailed {
		t.Errorf("exit code %d of the worker whose card died", code)
	}
	last := lastLine([]byte(stderr))
	for _, word := range []string{"textground: step ", "cuda:0 (", "kernel ", "CUDA_ERROR_"} {
		if !strings.Contains(last, word) {
			t.Errorf("the last line does not say %q: %s", word, last)
		}
	}
	if err := train.Wait(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	if got := e.digest(trained.String()); got != truth {
		t.Errorf("parameters %s, without the dead card they are %s", got, truth)
	}
}

func spreadsOverCards(e *emulated) {
	t := e.t
	_, stderr, code := e.output([]string{"TG_EMU_DEVICES=2"}, "train", e.pairFile(), "--gpus", "3")
	if code != exitBadInput || !strings.Contains(stderr, "--gpus 3: this machine has 2 cards that can be used") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	_, stderr, code = e.output([]string{"TG_EMU_DEVICES=2"}, "train", e.pairFile("steps: 1", "phase2_from: 0"), "--gpus", "all", "--page", "", "--run", "both")
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for worker, card := range map[string]string{"worker-1": "cuda:0", "worker-2": "cuda:1"} {
		log, err := os.ReadFile(filepath.Join(e.dir, "runs", "both", "logs", worker+".log"))
		if err != nil || !strings.Contains(string(log), card) {
			t.Errorf("%s does not say that it has %s: %v\n%s", worker, card, err, log)
		}
	}
}

func givesTheSameBits(e *emulated) {
	file := e.pairFile("steps: 20", "phase2_from: 10", "batch: 3", "micro_batch: 1")
	digests := map[string]string{}
	for _, cards := range []string{"1", "2", "3"} {
		out, stderr, code := e.output([]string{"TG_EMU_DEVICES=3"}, "train", file, "--gpus", cards, "--page", "", "--json", "--run", "on-"+cards)
		if code != exitDone {
			e.t.Fatalf("exit code %d on %s cards: %s", code, cards, stderr)
		}
		digests[cards] = e.digest(out)
	}
	if digests["2"] != digests["1"] || digests["3"] != digests["1"] {
		e.t.Errorf("parameters by number of cards: %v", digests)
	}
}
