//go:build cgo

package chaos

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// pictures serves images of three sizes, and pages that are none; it counts requests.
func pictures(t *testing.T) (url string, asked *atomic.Int64) {
	var files [][]byte
	for i, side := range []int{90, 300, 560} {
		p := image.NewGray(image.Rect(0, 0, side+40, side))
		for at := range p.Pix {
			p.Pix[at] = color.Gray{Y: uint8(at*(i+3)/7 ^ at>>9)}.Y
		}
		var b bytes.Buffer
		jpeg.Encode(&b, p, nil)
		files = append(files, b.Bytes())
	}
	asked = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		n := 0
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); err != nil || n%11 == 0 {
			http.NotFound(out, r)
			return
		}
		out.Write(files[n%len(files)])
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// ingestList writes a list of n URLs.
func (p *place) ingestList(url string, n int) string {
	var b strings.Builder
	b.WriteString("url,caption\n")
	for i := range n {
		fmt.Fprintf(&b, "%s/%d,picture %d\n", url, i, i)
	}
	name := filepath.Join(p.dir, "list.csv")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return name
}

// shardDigests returns what lies in a directory beside the ledgers, by name.
func (p *place) shardDigests(dir string) map[string][32]byte {
	p.t.Helper()
	names, err := filepath.Glob(filepath.Join(p.dir, dir, "*.*"))
	if err != nil || len(names) < 3 {
		p.t.Fatalf("%v in %s, %v", names, dir, err)
	}
	digests := map[string][32]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			p.t.Fatal(err)
		}
		digests[filepath.Base(name)] = sha256.Sum256(data)
	}
	return digests
}

var tokenLine = regexp.MustCompile(`TEXTGROUND_TOKEN=(\S+) textground ingest --join (nats://\S+)`)

// One ingester, and four of which the leader and two others are killed: the same shards and the same index.
func TestIngestersThatAreKilledLeaveTheSameShards(t *testing.T) {
	p := newPlace(t)
	url, _ := pictures(t)
	const n = 400
	list := p.ingestList(url, n)
	flags := []string{"--allow-private", "--per-shard", "10", "--backoff", "5ms"}
	fast := append([]string{"--per-host", "16", "--pace", "0s"}, flags...)
	if code, out, errs := p.run(append([]string{"ingest", list, "--to", "one/mine", "--json"}, fast...)...); code != 0 || !strings.Contains(out, `"complete":true`) {
		t.Fatalf("code %d\n%s%s", code, out, errs)
	}
	slow := append([]string{"--per-host", "1", "--pace", "20ms"}, flags...)
	lead := append([]string{"ingest", list, "--to", "four/mine", "--listen", "127.0.0.1:0", "--json"}, slow...)
	leader := p.start(lead...)
	var join []string
	eventually(t, "the line to join with", patience, func() bool {
		join = tokenLine.FindStringSubmatch(leader.errs.String())
		return join != nil
	})
	p.env = append(p.env, "TEXTGROUND_TOKEN="+join[1])
	port := join[2][strings.LastIndexByte(join[2], ':')+1:]
	help := func() *process {
		return p.start("ingest", "--join", join[2], "--to", "four/mine", "--allow-private", "--per-host", "1", "--pace", "20ms")
	}
	helpers := []*process{help(), help(), help()}
	ledgers := func() int {
		names, _ := filepath.Glob(filepath.Join(p.dir, "four/mine/ingest/0/ledger/*"))
		return len(names)
	}
	for i, at := range []int{6, 12} {
		eventually(t, fmt.Sprintf("%d parts", at), patience, func() bool { return ledgers() >= at })
		helpers[i].cmd.Process.Signal(syscall.SIGKILL)
		helpers[i].wait()
	}
	leader.cmd.Process.Signal(syscall.SIGKILL)
	leader.wait()
	lead[5] = "127.0.0.1:" + port
	leader = p.start(lead...)
	if code := leader.wait(); code != 0 {
		t.Fatalf("code %d\n%s", code, leader.errs.String())
	}
	if code := helpers[2].wait(); code != 0 {
		t.Errorf("the helper that lived ended with %d\n%s", code, helpers[2].errs.String())
	}
	var summary struct {
		Complete             bool
		Rows, Done, Answered int
		Classes              map[string]int
		Fingerprint          string
	}
	if err := json.Unmarshal(leader.out.Bytes(), &summary); err != nil || !summary.Complete || summary.Done != n || summary.Classes["client_error"] != (n+10)/11 {
		t.Fatalf("%+v, %v", summary, err)
	}
	one, four := p.shardDigests("one/mine"), p.shardDigests("four/mine")
	if len(one) != len(four) {
		t.Errorf("%d files and %d files", len(one), len(four))
	}
	for name, digest := range one {
		if four[name] != digest {
			t.Errorf("%s differs", name)
		}
	}
}

// Ctrl-C seals nothing half; the same command goes on and asks for nothing that is sealed.
func TestAnInterruptedIngestGoesOn(t *testing.T) {
	p := newPlace(t)
	url, asked := pictures(t)
	list := p.ingestList(url, 60)
	args := []string{"ingest", list, "--to", "out/mine", "--allow-private", "--per-shard", "10", "--per-host", "1", "--pace", "20ms", "--ignore-robots"}
	first := p.start(args...)
	ledgers := func() int {
		names, _ := filepath.Glob(filepath.Join(p.dir, "out/mine/ingest/0/ledger/*"))
		return len(names)
	}
	eventually(t, "two parts", patience, func() bool { return ledgers() >= 2 })
	first.cmd.Process.Signal(syscall.SIGINT)
	if code := first.wait(); code != 130 {
		t.Errorf("code %d\n%s", code, first.errs.String())
	}
	sealed := ledgers()
	asked.Store(0)
	code, out, errs := p.run(args...)
	if code != 0 || !strings.Contains(out, "54 of 60 URLs answered") || !strings.Contains(errs, "next: textground data show mine") {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
	if most := int64(60 - 10*sealed); asked.Load() != most {
		t.Errorf("%d requests for %d URLs", asked.Load(), most)
	}
	code, out, _ = p.run("data", "diff", "mine", "mine", "--store", "out")
	if code != 0 || !strings.Contains(out, "same 60") {
		t.Errorf("diff: code %d, %s", code, out)
	}
	if code, _, errs = p.run("ingest", "--retry-failed", "--to", "out/mine", "--allow-private"); code != 0 || !strings.Contains(errs, "no URL failed") {
		t.Errorf("retry: code %d, %s", code, errs)
	}
	if code, _, errs = p.run("ingest", list, "--to", "out/mine", "--metrics", "0.0.0.0:0"); code != 2 {
		t.Errorf("other settings, and counters for everybody: code %d, %s", code, errs)
	}
}
