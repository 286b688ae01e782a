//go:build cgo

package chaos

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/textground/textground/exchange/exchangetest"
)

// gated serves what web does, from one number on only when the gate is open, so that no ingest ends before.
func gated(t *testing.T, web string, from int) (url string, open func()) {
	t.Helper()
	gate := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		n := 0
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); err == nil && n >= from {
			select {
			case <-gate:
			case <-r.Context().Done():
			}
		}
		http.Redirect(out, r, web+r.URL.Path, http.StatusFound)
	}))
	open = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(server.Close)
	t.Cleanup(open)
	return server.URL, open
}

// Two ingests of one list share a server in which every role may say only what is its own. The leader of one is killed: its
// helper notices, and goes on with the next. A second leader is refused, and a helper under a name that is not its own.
func TestIngestsShareAServerAndOutliveALeader(t *testing.T) {
	url := exchangetest.StartShipped(t, filepath.Join(root, "deploy", "nats", "server.conf"))
	p := newPlace(t)
	as := func(user string) *place {
		return &place{t: t, dir: p.dir, env: []string{"TEXTGROUND_NATS_USER=" + user, "TEXTGROUND_NATS_PASSWORD=" + exchangetest.Password(user)}}
	}
	leaders, helpers := as("leader"), as("ingester-1")
	web, _ := pictures(t)
	gate, open := gated(t, web, 100)
	list := p.ingestList(gate, 200)
	fast := []string{"--allow-private", "--per-host", "16", "--pace", "0s"}
	lead := func(to string) []string {
		return append([]string{"ingest", list, "--to", to, "--nats", url, "--per-shard", "10", "--json"}, fast...)
	}
	help := func(name string) []string {
		return append([]string{"ingest", "--join", url, "--to", "one/mine", "--name", name}, fast...)
	}
	first, other := leaders.start(lead("one/mine")...), leaders.start(lead("two/mine")...)
	eventually(t, "the line to join with", patience, func() bool { return strings.Contains(first.errs.String(), "to join from another machine") })
	helper := helpers.start(help("ingester-1")...)
	ledgers := func() int {
		names, _ := filepath.Glob(filepath.Join(p.dir, "one/mine/ingest/0/ledger/*"))
		return len(names)
	}
	eventually(t, "the parts before the gate", patience, func() bool { return ledgers() == 10 })
	if code, _, errs := leaders.run(lead("one/mine")...); code != 2 || !strings.Contains(errs, "another process leads this ingest") {
		t.Errorf("a second leader: code %d\n%s", code, errs)
	}
	if code, _, errs := helpers.run(lead("three/mine")...); code != 2 || !strings.Contains(errs, "no permission") {
		t.Errorf("an ingester leads: code %d\n%s", code, errs)
	}
	if code, _, errs := helpers.run(help("ingester-2")...); code != 2 || !strings.Contains(errs, "no permission") {
		t.Errorf("a name that is another's: code %d\n%s", code, errs)
	}
	first.cmd.Process.Signal(syscall.SIGKILL)
	first.wait()
	eventually(t, "the helper notices", patience, func() bool { return strings.Contains(helper.errs.String(), "the leader does not answer") })
	next := leaders.start(lead("one/mine")...)
	open()
	for what, c := range map[string]*process{"the next leader": next, "the helper": helper, "the leader of the other ingest": other} {
		if code := c.wait(); code != 0 {
			t.Errorf("%s ended with code %d\n%s", what, code, c.errs.String())
		}
	}
	if said := helper.errs.String(); !strings.Contains(said, "the ingest has a new leader") || strings.Contains(helper.out.String(), "\n0 parts") {
		t.Errorf("the helper said\n%s%s", said, helper.out.String())
	}
	if !strings.Contains(next.out.String(), `"complete":true`) || strings.Contains(other.errs.String(), "new leader") {
		t.Errorf("%s\n%s", next.out.String(), other.errs.String())
	}
	one, two := p.shardDigests("one/mine"), p.shardDigests("two/mine")
	for name, digest := range one {
		if two[name] != digest || len(one) != len(two) {
			t.Errorf("%s differs, or %d files are not %d", name, len(one), len(two))
		}
	}
	for _, user := range []string{"leader", "ingester-1"} {
		leaks(t, p.dir, exchangetest.Password(user))
	}
}
