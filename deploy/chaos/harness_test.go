//go:build cgo

package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/textground/textground/coordinator"
)

// The binary under test, with the fault points compiled in, and the repository's root.
var (
	binary string
	root   string
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "textground-chaos-")
	if err != nil {
		panic(err)
	}
	root, err = filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "textground")
	build := exec.Command("go", "build", "-tags", "faults", "-o", binary, "./cmd/textground")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the binary: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// tinyFile is the run file of all tests here.
func tinyFile() string { return filepath.Join(root, "examples", "tiny.yaml") }

// place is a directory for runs. The world is drawn once and shared, as all stores here would draw the same.
type place struct {
	t    *testing.T
	dir  string
	env  []string
	wrap []string // a command that runs the binary, such as a shell that sets limits first
}

func newPlace(t *testing.T, env ...string) *place {
	return &place{t: t, dir: t.TempDir(), env: env}
}

// process is a running textground command.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    bytes.Buffer
	errs   lockedBuffer
	waited chan error
}

// lockedBuffer can be read while a process writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start begins a command in the place. It is killed, with everything it started, when the test ends.
func (p *place) start(args ...string) *process {
	p.t.Helper()
	line := slices.Concat(p.wrap, []string{binary}, args)
	c := &process{t: p.t, cmd: exec.Command(line[0], line[1:]...), waited: make(chan error, 1)}
	c.cmd.Dir = p.dir
	c.cmd.Env = append(os.Environ(), p.env...)
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.errs
	if err := c.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { c.waited <- c.cmd.Wait() }()
	p.t.Cleanup(func() {
		c.cmd.Process.Kill()
		for _, pid := range p.pids() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return c
}

// How long a command may take before the test gives up on it.
const patience = 150 * time.Second

// wait returns the exit code.
func (c *process) wait() int {
	c.t.Helper()
	select {
	case <-c.waited:
		return c.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		c.t.Fatalf("%s did not end within %v\n%s", strings.Join(c.cmd.Args[1:], " "), patience, c.errs.String())
		return -1
	}
}

// result waits for success and reads the last line of --json.
func (c *process) result() coordinator.Result {
	c.t.Helper()
	if code := c.wait(); code != 0 {
		c.t.Fatalf("%s ended with code %d\n%s", strings.Join(c.cmd.Args[1:], " "), code, c.errs.String())
	}
	lines := strings.Split(strings.TrimSpace(c.out.String()), "\n")
	var r coordinator.Result
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		c.t.Fatalf("the last line is no result: %v\n%s", err, c.out.String())
	}
	return r
}

// train runs the tiny run to its end.
func (p *place) train(args ...string) coordinator.Result {
	p.t.Helper()
	return p.start(append([]string{"train", tinyFile(), "--json", "--page", ""}, args...)...).result()
}

// run runs a command to its end and returns code, stdout and stderr.
func (p *place) run(args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	c := p.start(args...)
	code = c.wait()
	return code, c.out.String(), c.errs.String()
}

func (p *place) runDir(id string) string { return filepath.Join(p.dir, "runs", id) }

// status reads a run's status; nil while there is none.
func (p *place) status(id string) *coordinator.Status {
	s, err := coordinator.ReadStatus(p.runDir(id))
	if err != nil {
		return nil
	}
	return s
}

// pids lists the processes of all runs in the place.
func (p *place) pids() []int {
	var pids []int
	entries, _ := os.ReadDir(filepath.Join(p.dir, "runs"))
	for _, e := range entries {
		if s := p.status(e.Name()); s != nil {
			pids = append(pids, s.PID)
			for _, w := range s.Workers {
				pids = append(pids, w.PID)
			}
		}
	}
	return slices.DeleteFunc(pids, func(pid int) bool { return pid <= 1 })
}

// eventually waits until ok says so.
func eventually(t *testing.T, what string, within time.Duration, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// atStep waits until the run has committed so many steps.
func (p *place) atStep(id string, committed int) *coordinator.Status {
	p.t.Helper()
	var s *coordinator.Status
	eventually(p.t, fmt.Sprintf("run %s at step %d", id, committed), patience, func() bool {
		s = p.status(id)
		return s != nil && s.Committed+1 >= committed
	})
	return s
}

// journal returns the texts of a run's journal.
func (p *place) journal(id string) []coordinator.Entry {
	p.t.Helper()
	entries, err := coordinator.ReadJournal(p.runDir(id))
	if err != nil {
		p.t.Fatal(err)
	}
	return entries
}

// hears waits until the run's journal says so.
func (p *place) hears(run, text string) {
	p.t.Helper()
	eventually(p.t, text+" in the journal", patience, func() bool {
		for _, e := range p.journal(run) {
			if strings.Contains(e.Text, text) {
				return true
			}
		}
		return false
	})
}

// truth is the digest of the undisturbed run: one worker, computed once for all tests.
var truth = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "textground-truth-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command(binary, "train", tinyFile(), "--json", "--page", "", "--workers", "1")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("the undisturbed run: %w", err)
	}
	var r coordinator.Result
	if err := json.Unmarshal(bytes.TrimSpace(out), &r); err != nil {
		return "", err
	}
	return r.ParamsSHA256, nil
})

func mustEqualTruth(t *testing.T, r coordinator.Result) {
	t.Helper()
	want, err := truth()
	if err != nil {
		t.Fatal(err)
	}
	if r.ParamsSHA256 != want || want == "" {
		t.Errorf("parameters %q, undisturbed %q", r.ParamsSHA256, want)
	}
}
