//go:build cgo

package chaos

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// joinLine is what train prints for a second machine.
var joinLine = regexp.MustCompile(`TEXTGROUND_TOKEN=(\S+) textground (worker \S+ --join nats://127\.0\.0\.1:\d+)\n`)

// The second machine here is another directory, which knows nothing of the run but the line. The secret stays out of all logs.
func TestTheLineThatListenPrintsLetsAnotherMachineJoin(t *testing.T) {
	p := newPlace(t)
	c := p.start("train", p.edited("steps: 12", "steps: 60"), "--json", "--page", "", "--workers", "1", "--run", "open", "--listen", "127.0.0.1:0")
	var line []string
	eventually(t, "the line to join with", patience, func() bool {
		line = joinLine.FindStringSubmatch(c.errs.String())
		return line != nil
	})
	elsewhere := &place{t: t, dir: t.TempDir(), env: append(os.Environ(), "TEXTGROUND_TOKEN="+line[1])}
	w := elsewhere.start(append(strings.Fields(line[2]), "--name", "guest")...)
	p.hears("open", "guest joins")
	if r := c.result(); r.Workers != 2 || r.Step != 60 {
		t.Errorf("%d steps with %d workers", r.Step, r.Workers)
	}
	if code := w.wait(); code != 0 {
		t.Errorf("the guest ended with code %d\n%s", code, w.errs.String())
	}
	leaks(t, p.dir, line[1])
}
