//go:build cgo

package chaos

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/textground/textground/coordinator"
)

const (
	pausedFor   = 30 * time.Second // how long the worker is stopped
	longestHalt = 5 * time.Second  // of the run, because of it
	breath      = time.Second      // how long the other worker rests after each step, so that so few steps last so long
)

// One worker is stopped for half a minute, as a sleeping laptop or a host that swaps would be. The run goes on without it,
// and takes it back. The other worker is rested after each step, which makes the run long and costs no processor time;
// only the time in between counts.
func TestAWorkerStoppedForHalfAMinuteHoldsTheRunForLessThanFiveSeconds(t *testing.T) {
	t.Parallel() // it mostly waits
	p := newPlace(t)
	c := p.start("train", p.edited("steps: 12", "steps: 48"), "--json", "--page", "", "--workers", "2", "--run", "paused")
	s := p.atStep("paused", 2)
	victim, other := s.Workers[0], s.Workers[1]
	stop(t, victim.PID)
	stopped, halt := time.Now(), time.Duration(0)
	last, since := s.Committed, time.Now()
	for resumed := false; ; {
		now := p.status("paused")
		if halt = max(halt, time.Since(since)); halt > longestHalt {
			t.Fatalf("no step was committed for %v after step %d", halt, last)
		}
		if !resumed && time.Since(stopped) > pausedFor {
			resumed = true
			proceed(t, victim.PID)
		}
		back := isMember(now, victim)
		if resumed && back {
			break
		}
		if now.Mode == "finished" {
			t.Fatalf("the run ended before %s was a member again", victim.Name)
		}
		if now.Committed > last {
			if !back {
				rest(t, other.PID)
			}
			last, since = now.Committed, time.Now()
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("the longest halt was %v; step %d was the last without the worker", halt, last)
	result := c.result()
	if kinds := journalOf(p.journal("paused"), victim.Name); !strings.HasSuffix(kinds, "died returned joined") {
		t.Errorf("what the journal says of %s: %s", victim.Name, kinds)
	}
	if code, out, stderr := p.run("prove", "paused"); code != 0 || !strings.Contains(out, result.ParamsSHA256) {
		t.Errorf("prove, which computes the run again undisturbed, ends with code %d:\n%s%s", code, out, stderr)
	}
}

// isMember reports whether the very process is a member.
func isMember(s *coordinator.Status, worker coordinator.WorkerStatus) bool {
	for _, w := range s.Workers {
		if w.Name == worker.Name && w.PID == worker.PID {
			return w.Member()
		}
	}
	return false
}

func stop(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

func proceed(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// rest stops a process for a breath.
func rest(t *testing.T, pid int) {
	t.Helper()
	stop(t, pid)
	time.Sleep(breath)
	proceed(t, pid)
}

// journalOf lists the kinds of a worker's entries.
func journalOf(entries []coordinator.Entry, worker string) string {
	var kinds []string
	for _, e := range entries {
		if e.Worker == worker {
			kinds = append(kinds, e.Kind)
		}
	}
	return strings.Join(kinds, " ")
}
