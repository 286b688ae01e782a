//go:build cgo

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAnyWorkerCountGivesTheSameBits(t *testing.T) {
	t.Parallel()
	for _, c := range [][]string{{"--workers", "2"}, {"--workers", "3"}, {"--workers", "5"}, {"--workers", "1", "--threads", "1"}, {"--workers", "2", "--threads", "2"}} {
		t.Run(strings.Join(c, " "), func(t *testing.T) { mustEqualTruth(t, newPlace(t).train(c...)) })
	}
}

// Every place of a step at which a process may die. Two workers; the second is killed and started again.
func TestAWorkerKilledAnywhereInAStepCostsNoBit(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"after-texts@3", "before-columns@2", "mid-chunk@6", "before-apply@4", "after-apply@5", "mid-volume@3"} {
		t.Run(point, func(t *testing.T) {
			marks := t.TempDir()
			p := newPlace(t, "TEXTGROUND_FAULT="+point, "TEXTGROUND_FAULT_DIR="+marks)
			r := p.train("--workers", "2")
			if _, err := os.Stat(filepath.Join(marks, point)); err != nil {
				t.Fatalf("the fault point was never passed: %v", err)
			}
			mustEqualTruth(t, r)
		})
	}
}

func TestTheOnlyWorkerMayDieFiveTimes(t *testing.T) {
	t.Parallel()
	marks := t.TempDir()
	points := []string{"before-columns@0", "mid-chunk@2", "before-apply@4", "after-apply@7", "after-texts@9"}
	p := newPlace(t, "TEXTGROUND_FAULT="+strings.Join(points, ","), "TEXTGROUND_FAULT_DIR="+marks)
	r := p.train("--workers", "1")
	for _, point := range points {
		if _, err := os.Stat(filepath.Join(marks, point)); err != nil {
			t.Errorf("%s was never passed: %v", point, err)
		}
	}
	mustEqualTruth(t, r)
}

func TestTheCoordinatorMayBeKilledUnderLivingWorkers(t *testing.T) {
	p := newPlace(t)
	c := p.start("train", tinyFile(), "--json", "--page", "", "--workers", "2", "--run", "headless")
	s := p.atStep("headless", 3)
	if code, _, stderr := p.run("chaos", "kill", "coordinator", "headless"); code != 0 {
		t.Fatalf("chaos kill: %s", stderr)
	}
	mustEqualTruth(t, c.result())
	if after := p.status("headless"); after.Epoch <= s.Epoch {
		t.Errorf("epoch %d after the coordinator's death, %d before", after.Epoch, s.Epoch)
	}
}

func TestEverythingMayBeKilledAndResumedOnOtherWorkers(t *testing.T) {
	p := newPlace(t)
	c := p.start("train", tinyFile(), "--json", "--page", "", "--workers", "3", "--run", "phoenix")
	p.atStep("phoenix", 6)
	pids := p.pids()
	c.cmd.Process.Kill()
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	c.wait()
	mustEqualTruth(t, p.start("resume", "phoenix", "--json", "--page", "", "--workers", "2").result())
}

func TestAKilledWorkerIsNoticedAndNamedWithItsLanes(t *testing.T) {
	p := newPlace(t)
	c := p.start("train", tinyFile(), "--json", "--page", "", "--workers", "2", "--run", "named")
	s := p.atStep("named", 3)
	victim := s.Workers[1]
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the death of "+victim.Name+" in the journal", 5*time.Second, func() bool {
		for _, e := range p.journal("named") {
			if e.Kind == "died" && e.Worker == victim.Name {
				return true
			}
		}
		return false
	})
	mustEqualTruth(t, c.result())
	if text := c.errs.String(); !strings.Contains(text, victim.Name) {
		t.Errorf("the death was not shown where the run was started:\n%s", text)
	}
}

func TestSIGTERMSealsAndResumeGoesOnAtTheVeryStep(t *testing.T) {
	p := newPlace(t)
	c := p.start("train", tinyFile(), "--json", "--page", "", "--workers", "2", "--run", "polite")
	p.atStep("polite", 5)
	c.cmd.Process.Signal(syscall.SIGTERM)
	if code := c.wait(); code != 130 {
		t.Fatalf("exit code %d after SIGTERM, want 130\n%s", code, c.errs.String())
	}
	if text := c.errs.String(); !strings.Contains(text, "textground: interrupted; go on with: textground resume polite") {
		t.Errorf("nothing says how to go on:\n%s", text)
	}
	stopped := p.status("polite").Committed
	code, out, stderr := p.run("checkpoint", "ls", "polite")
	if code != 0 || !strings.Contains(out, fmt.Sprintf("\n%d ", stopped+1)) {
		t.Fatalf("the checkpoint of step %d is missing:\n%s%s", stopped+1, out, stderr)
	}
	mustEqualTruth(t, p.start("resume", "--json", "--page", "", "--workers", "1").result())
}

func TestStepsStopsThereAndNeverAltersTheSchedule(t *testing.T) {
	p := newPlace(t)
	if r := p.train("--workers", "2", "--run", "early", "--steps", "7"); r.Step != 7 {
		t.Fatalf("stopped after %d steps, asked for 7", r.Step)
	}
	mustEqualTruth(t, p.train("--workers", "1", "--run", "early"))
}

func TestANaNIsSealedStoppedAndNamed(t *testing.T) {
	p := newPlace(t, "TEXTGROUND_FAULT=nan@6", "TEXTGROUND_FAULT_DIR="+t.TempDir())
	code, _, stderr := p.run("train", tinyFile(), "--page", "", "--workers", "2", "--run", "poisoned")
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	for _, part := range []string{"step 6", "lane", "worker-"} {
		if !strings.Contains(stderr, part) {
			t.Errorf("the error does not name %q:\n%s", part, stderr)
		}
	}
	if _, out, _ := p.run("checkpoint", "verify", "poisoned"); !strings.Contains(out, "step 6: sound") {
		t.Errorf("the last committed state is not sealed:\n%s", out)
	}
	mustEqualTruth(t, p.start("resume", "poisoned", "--json", "--page", "").result())
}

func TestProveFindsOneFlippedBit(t *testing.T) {
	p := newPlace(t)
	p.train("--workers", "2", "--run", "honest")
	if code, out, stderr := p.run("prove", "honest"); code != 0 || !strings.Contains(out, "equal, bit for bit") {
		t.Fatalf("prove: code %d\n%s%s", code, out, stderr)
	}
	volumes, err := filepath.Glob(filepath.Join(p.dir, "runs/store/runs/honest/lineages/0/ckpt/0000000012/*/volume-00000.safetensors"))
	if err != nil || len(volumes) != 1 {
		t.Fatalf("volumes of step 12: %v, %v", volumes, err)
	}
	flipBit(t, volumes[0], -1)
	code, _, stderr := p.run("prove", "honest")
	if code != 3 {
		t.Errorf("exit code %d after a flipped bit, want 3\n%s", code, stderr)
	}
}

// flipBit changes the lowest bit of the byte at offset, counted from the end if negative.
func flipBit(t *testing.T, path string, offset int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if offset < 0 {
		offset += len(data)
	}
	data[offset] ^= 1
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
