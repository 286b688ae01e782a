//go:build cgo

package chaos

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// The same sources linked otherwise are another binary and the same device class.
func TestARebuiltProgramResumesTheRun(t *testing.T) {
	t.Parallel()
	rebuilt := filepath.Join(t.TempDir(), "textground")
	build := exec.Command("go", "build", "-tags", "faults", "-ldflags", "-s -w", "-o", rebuilt, "./cmd/textground")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the program again: %v\n%s", err, out)
	}
	if contents(t, binary) == contents(t, rebuilt) {
		t.Fatal("the program was linked the same way twice: the test proves nothing")
	}
	p := newPlace(t)
	if r := p.train("--workers", "1", "--steps", "6", "--run", "rebuilt"); r.Step != 6 {
		t.Fatalf("%d steps", r.Step)
	}
	p.wrap = []string{"sh", "-c", `exec "` + rebuilt + `" "$@"`} // the harness's own binary becomes $0
	for range 2 {                                                // the second time there is nothing left to do, and the result is the same
		mustEqualTruth(t, p.start("resume", "rebuilt", "--json", "--page", "", "--workers", "2").result())
	}
}
