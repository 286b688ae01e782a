package main

import (
	"fmt"
	"image"
	"image/jpeg"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/textground/textground/exchange"
)

// urlList writes a list of n pictures on a server of this machine.
func urlList(t *testing.T, n int) (name string) {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			http.NotFound(out, r)
			return
		}
		jpeg.Encode(out, image.NewGray(image.Rect(0, 0, 40, 30)), nil)
	}))
	t.Cleanup(web.Close)
	var b strings.Builder
	b.WriteString("url,caption\n")
	for i := range n {
		fmt.Fprintf(&b, "%s/%d,picture %d\n", web.URL, i, i)
	}
	name = filepath.Join(t.TempDir(), "list.csv")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestIngestRefusesFlagsThatDoNotFit(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"a.csv", "--to is missing"},
		{"--to x/y", "which list?"},
		{"a.csv --to x/y --listen 127.0.0.1:0 --nats nats://127.0.0.1:1", "--listen and --nats"},
		{"--to x/y --join nats://127.0.0.1:1 --nats nats://127.0.0.1:1", "either helps or leads"},
		{"--to x/y --join nats://127.0.0.1:1 --listen 127.0.0.1:0", "either helps or leads"},
		{"a.csv --to x/y --name me", "--name is for those who --join"},
		{"--to x/y --join nats://127.0.0.1:1 --name leader", "so the leader is called"},
		{"--to x/y --join nats://127.0.0.1:1 --name a.b", "use 1 to 63 of a-z"},
		{"a.csv --to x/y --join nats://127.0.0.1:1", "leave it out"},
	} {
		if done := command(t, append([]string{"ingest"}, strings.Fields(c.args)...)...); done.code != exitBadInput || !strings.Contains(done.err.Error(), c.want) {
			t.Errorf("ingest %s: code %d, %v", c.args, done.code, done.err)
		}
	}
}

// Whoever reaches the counters may read them, so that an address beyond this machine wants a word of consent.
func TestCountersAreServedToThisMachineAlone(t *testing.T) {
	list := urlList(t, 1)
	ingest := func(address string, more ...string) outcome {
		t.Helper()
		return command(t, append([]string{"ingest", list, "--to", t.TempDir() + "/mine", "--allow-private", "--metrics", address}, more...)...)
	}
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.org:0"} {
		done := ingest(address)
		if done.code != exitBadInput || !strings.Contains(done.err.Error(), "--metrics "+address+" can be read from other machines") || !strings.Contains(done.err.Error(), "add --metrics-public") {
			t.Errorf("%s: code %d, %v", address, done.code, done.err)
		}
	}
	for _, fine := range []outcome{ingest("127.0.0.1:0"), ingest("localhost:0"), ingest("0.0.0.0:0", "--metrics-public")} {
		if fine.code != exitDone || !strings.Contains(fine.talk, "counters at http://") {
			t.Errorf("code %d, %v, %s", fine.code, fine.err, fine.talk)
		}
	}
	if done := ingest("9464"); done.code != exitBadInput || !strings.Contains(done.err.Error(), "write HOST:PORT") {
		t.Errorf("no address: code %d, %v", done.code, done.err)
	}
}

// The whole of it over a server that exists, without a helper; deploy/chaos has the rest.
func TestAnIngestIsLedOverAServerThatExists(t *testing.T) {
	server, err := exchange.StartServer(exchange.ServerConfig{Listen: true, Token: "theirs"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	t.Setenv("TEXTGROUND_TOKEN", "theirs")
	list, to := urlList(t, 3), t.TempDir()+"/mine"
	done := command(t, "ingest", list, "--to", to, "--allow-private", "--nats", server.URL())
	if done.code != exitDone || !strings.Contains(done.out, "3 of 3 URLs answered") {
		t.Fatalf("code %d, %v, %s", done.code, done.err, done.out)
	}
	if want := "textground ingest --join " + server.URL() + " --to " + to + " --allow-private\n"; !strings.Contains(done.talk, want) || strings.Contains(done.talk, "theirs") {
		t.Errorf("not %q in %s", want, done.talk)
	}
	t.Setenv("TEXTGROUND_TOKEN", "wrong")
	if done := command(t, "ingest", list, "--to", to, "--allow-private", "--nats", server.URL()); done.code != exitBadInput || !strings.Contains(done.err.Error(), "refuses leader") {
		t.Errorf("a wrong secret: code %d, %v", done.code, done.err)
	}
	if done := command(t, "ingest", "--join", server.URL(), "--to", t.TempDir()+"/mine"); done.code != exitBadInput || !strings.Contains(done.err.Error(), "is led over NATS") {
		t.Errorf("nothing to help with: code %d, %v", done.code, done.err)
	}
}

func TestTheLineToJoinWithHoldsNoSecretOfTheServer(t *testing.T) {
	if got, want := withoutUser("nats://me:secret@a:4222, tls://token@b:4222,c:4222"), "nats://a:4222,tls://b:4222,c:4222"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
