//go:build cgo && linux

package chaos

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/textground/textground/coordinator"
	"github.com/textground/textground/store/storetest"
)

// smallDisk is a real file system of few bytes, for root alone to mount. resize changes its size.
func smallDisk(t *testing.T, size string) (dir string, resize func(size string)) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("skipped: a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir, func(size string) {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size="+size); err != nil {
			t.Fatal(err)
		}
	}
}

// sound asserts that the checkpoint after so many steps can be read back.
func (p *place) sound(run, step string) {
	p.t.Helper()
	if code, out, stderr := p.run("checkpoint", "verify", run); code != 0 || !strings.Contains(out, "step "+step+": sound") {
		p.t.Errorf("the checkpoint of step %s: code %d\n%s%s", step, code, out, stderr)
	}
}

// No file of a checkpoint's size may be written: this much of a full disk needs no root. The first save was sealed before.
func TestSavesThatDoNotFitAreNamedAndNothingSealedIsLost(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.train("--workers", "1", "--run", "cramped", "--steps", "4")
	limited := &place{t: t, dir: p.dir}
	limited.wrap = []string{"/bin/sh", "-c", `ulimit -f 1024 && exec "$@"`, "sh"}
	c := limited.start("resume", "cramped", "--page", "", "--workers", "2")
	if code := c.wait(); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	text := c.errs.String()
	for _, said := range []string{"the save after step 7 is abandoned", "the state after step 11 could not be sealed", "volume 0", "no space left for so large a file", "ulimit -f", "the state after step 3 is sealed"} {
		if !strings.Contains(text, said) {
			t.Errorf("nothing says %q:\n%s", said, text)
		}
	}
	if last := lastLine(text); !strings.HasPrefix(last, "textground: ") || !strings.Contains(last, "no space left") {
		t.Errorf("the last line is %q", last)
	}
	p.sound("cramped", "4")
	mustEqualTruth(t, p.start("resume", "cramped", "--json", "--page", "", "--workers", "1").result())
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// Room for one checkpoint of three. The run trains on; the room that is made while it tries its last save again saves it.
func TestAFullStoreThatGetsRoomInTimeLosesNothing(t *testing.T) {
	t.Parallel()
	disk, resize := smallDisk(t, "9m")
	p := newPlace(t)
	c := p.start("train", tinyFile(), "--json", "--page", "", "--workers", "2", "--run", "full", "--store", "file://"+disk)
	p.hears("full", "the save after step 11 is abandoned")
	resize("64m")
	mustEqualTruth(t, c.result())
	if text := c.errs.String(); !strings.Contains(text, "no space left") || !strings.Contains(text, "free some space") {
		t.Errorf("nobody was told of the full store:\n%s", text)
	}
	p.sound("full", "12")
}

// The run's own records are on the disk too, and not a byte is left in mid-run.
func TestAMachineWithoutSpaceStopsTheRunAndItGoesOnLater(t *testing.T) {
	t.Parallel()
	disk, _ := smallDisk(t, "40m")
	p := &place{t: t, dir: disk}
	c := p.start("train", tinyFile(), "--page", "", "--workers", "1", "--run", "full")
	p.atStep("full", 5)
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	code := c.wait()
	if last := lastLine(c.errs.String()); code != 2 || !strings.HasPrefix(last, "textground: ") || !strings.Contains(last, "no space left") {
		t.Errorf("exit code %d\n%s", code, c.errs.String())
	}
	remove(t, filler)
	p.sound("full", "4")
	mustEqualTruth(t, p.start("resume", "full", "--json", "--page", "", "--workers", "1").result())
	if lines := strings.Count(contents(t, filepath.Join(p.runDir("full"), "metrics.jsonl")), `{"step":`); lines != 12 {
		t.Errorf("%d steps on record, want 12", lines)
	}
	metrics, err := coordinator.ReadMetrics(p.runDir("full"))
	if err != nil || len(metrics) != 12 {
		t.Errorf("%d steps can be read from the record (%v), want 12", len(metrics), err)
	}
}

// fill writes zeros until there is no space.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func TestAStoreTooSmallForTheWorldIsNamed(t *testing.T) {
	t.Parallel()
	disk, _ := smallDisk(t, "100k")
	newPlace(t).refused([]string{disk, "shards/tiny", "no space left", "free some space"}, "train", tinyFile(), "--page", "", "--workers", "1", "--store", "file://"+disk)
}

// The gateway's disk is small: S3 says so in its own way. Room that is made in time saves the last state.
func TestABucketWithoutSpaceIsNamed(t *testing.T) {
	disk, resize := smallDisk(t, "9m")
	p := newPlace(t)
	t.Setenv("TMPDIR", disk) // of the gateway's bucket
	t.Run("gateway", func(t *testing.T) {
		c := p.start("train", tinyFile(), "--json", "--page", "", "--workers", "2", "--run", "full", "--store", storetest.SetS3(t))
		p.hears("full", "the save after step 11 is abandoned")
		resize("64m")
		mustEqualTruth(t, c.result())
		if text := c.errs.String(); !strings.Contains(text, "no space left") {
			t.Errorf("nobody was told of the full bucket:\n%s", text)
		}
		p.sound("full", "12")
	})
}
