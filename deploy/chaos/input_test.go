//go:build cgo

package chaos

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/textground/textground/exchange"
	"github.com/textground/textground/store/storetest"
)

func TestAnExternalServerGivesTheSameBits(t *testing.T) {
	server, err := exchange.StartServer(exchange.ServerConfig{Listen: true, Token: "external-secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	p := newPlace(t, "TEXTGROUND_TOKEN=external-secret")
	mustEqualTruth(t, p.train("--workers", "2", "--nats", server.URL()))
	leaks(t, p.dir, "external-secret")
}

// leaks fails if a secret stands in any file below dir but the run's own bus.json, which its owner alone can read.
func leaks(t *testing.T, dir, secret string) {
	t.Helper()
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "bus.json" {
			return err
		}
		if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), secret) {
			t.Errorf("%s holds the secret", path)
		}
		return nil
	})
}

// edited is the tiny run file with one text replaced.
func (p *place) edited(from, to string) string {
	p.t.Helper()
	data, err := os.ReadFile(tinyFile())
	if err != nil {
		p.t.Fatal(err)
	}
	if !strings.Contains(string(data), from) {
		p.t.Fatalf("the tiny run file has no %q", from)
	}
	path := filepath.Join(p.dir, "edited.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), from, to, 1)), 0o644); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// refused runs a command that must end with code 2 and say each of the words on the one line of its error.
func (p *place) refused(words []string, args ...string) {
	p.t.Helper()
	code, _, stderr := p.run(args...)
	if code != 2 {
		p.t.Errorf("%s: exit code %d, want 2\n%s", strings.Join(args, " "), code, stderr)
	}
	var line string
	for _, l := range strings.Split(stderr, "\n") {
		if strings.HasPrefix(l, "textground: ") {
			line = l
		}
	}
	for _, word := range words {
		if !strings.Contains(line, word) {
			p.t.Errorf("%s: the error %q does not say %q\n%s", strings.Join(args, " "), line, word, stderr)
		}
	}
}

func TestBadInputIsNamedWithItsPlaceAndMend(t *testing.T) {
	p := newPlace(t)
	train := func(file string, more ...string) []string {
		return append([]string{"train", file, "--page", "", "--workers", "1"}, more...)
	}
	p.refused([]string{"edited.yaml:7:1", "unknown key", `"phase2_from"`}, train(p.edited("phase2_from: 5", "phase2_form: 5"))...)
	p.refused([]string{"edited.yaml:6:8"}, train(p.edited("steps: 12", "steps: many"))...)
	p.refused([]string{"micro_batch 5 does not divide batch 12", "try 4"}, train(p.edited("micro_batch: 2", "micro_batch: 5"))...)
	p.refused([]string{"nothing.yaml"}, train("nothing.yaml")...)
	p.refused([]string{"model.clip", "nowhere.safetensors", "builtin:world"}, train(p.edited("clip: builtin:world", "clip: nowhere.safetensors"))...)
	p.refused([]string{"127.0.0.1:1", "unreachable"}, train(tinyFile(), "--nats", "nats://127.0.0.1:1")...)
	p.refused([]string{"another world"}, train(p.worldChanged())...)
	p.refused([]string{"did you mean --workers"}, "train", tinyFile(), "--wokers", "2")
	p.refused([]string{"nosuchrun"}, "resume", "nosuchrun")
}

// worldChanged draws the tiny world, then asks for another one under the same prefix.
func (p *place) worldChanged() string {
	p.t.Helper()
	p.train("--workers", "1", "--steps", "1")
	return p.edited("scenes: 96, seed: 2", "scenes: 96, seed: 3")
}

func TestATakenPortAndAnAlteredRunFileAreNamed(t *testing.T) {
	p := newPlace(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	p.refused([]string{taken.Addr().String(), "choose another"}, "train", tinyFile(), "--page", "", "--workers", "1", "--listen", taken.Addr().String())
	p.refused([]string{taken.Addr().String(), "choose another"}, "train", tinyFile(), "--page", taken.Addr().String(), "--workers", "1")
	p.train("--workers", "1", "--run", "mine", "--steps", "1")
	p.refused([]string{"seed: 7 → 8", "mine"}, "train", p.edited("seed: 7", "seed: 8"), "--run", "mine")
}

func TestABucketThatIsNotThereAndAWrongKeyAreNamed(t *testing.T) {
	url := storetest.SetS3(t)
	bucket := strings.SplitN(strings.TrimPrefix(url, "s3://"), "/", 2)[0]
	p := newPlace(t)
	p.refused([]string{"no such bucket"}, "train", tinyFile(), "--page", "", "--workers", "1", "--store", "s3://no-such-bucket-here/x")
	p.env = append(p.env, "AWS_SECRET_ACCESS_KEY=wrong-secret-of-mine")
	p.refused([]string{"access denied"}, "train", tinyFile(), "--page", "", "--workers", "1", "--store", fmt.Sprintf("s3://%s/x", bucket))
	leaks(t, p.dir, "wrong-secret-of-mine")
}

// A worker that cannot be started again is no reason to wait for ever: the run ends with the worker's own words.
func TestARunWhoseLastWorkerGivesUpEndsWithTheCause(t *testing.T) {
	p := newPlace(t)
	c := p.start("train", tinyFile(), "--json", "--page", "", "--workers", "1", "--run", "deserted")
	p.atStep("deserted", 2)
	remove(t, filepath.Join(p.dir, "runs/store/shards/tiny/00001.tar"))
	if code, _, stderr := p.run("chaos", "kill", "worker-1", "deserted"); code != 0 {
		t.Fatalf("chaos kill: %s", stderr)
	}
	if code := c.wait(); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	for _, word := range []string{"worker-1 gives up", "no worker is left", "00001.tar"} {
		if text := c.errs.String(); !strings.Contains(text, word) {
			t.Errorf("nothing says %q:\n%s", word, text)
		}
	}
}

func TestADeviceThatIsNotThereIsRefusedBeforeAnythingStarts(t *testing.T) {
	newPlace(t).refused([]string{`device "gpu" does not exist`, "did you mean"}, "train", tinyFile(), "--device", "gpu")
}

func TestARunGoesOnFromWhicheverDirectoryItIsResumed(t *testing.T) {
	p := newPlace(t)
	p.train("--workers", "1", "--run", "moved", "--steps", "4")
	elsewhere := &place{t: t, dir: t.TempDir()}
	c := elsewhere.start("resume", "moved", "--dir", filepath.Join(p.dir, "runs"), "--json", "--page", "")
	mustEqualTruth(t, c.result())
	if text := c.errs.String(); !strings.Contains(text, "going on from the state after step 3") {
		t.Errorf("the run did not go on from its checkpoint:\n%s", text)
	}
}

func TestWrongWordsAreRefusedInEveryCommand(t *testing.T) {
	p := newPlace(t)
	p.train("--workers", "1", "--run", "words", "--steps", "4")
	p.refused([]string{"textground chaos has no command", "kill"}, "chaos", "explode")
	p.refused([]string{"checkpoint has no command", "verify"}, "checkpoint", "nope")
	p.refused([]string{"data has no command", "index"}, "data", "nope")
	p.refused([]string{"usage: textground checkpoint diff RUN STEP RUN STEP"}, "checkpoint", "diff", "a", "b")
	p.refused([]string{"no checkpoint of step 3", "it has 4"}, "prove", "words", "--to", "3")
	p.refused([]string{"no checkpoint of step 3", "it has 4"}, "checkpoint", "show", "words", "3")
	p.refused([]string{"--from 4 must come before --to 4"}, "prove", "words", "--from", "4")
	p.refused([]string{"--workers -2", "negative"}, "train", tinyFile(), "--workers", "-2")
	p.refused([]string{"ftp://x", "s3://BUCKET/PREFIX"}, "train", tinyFile(), "--store", "ftp://x")
	p.refused([]string{"no shard", "prefix that holds the shards"}, "data", "index", "nope")
	p.refused([]string{"a world of 0 scenes"}, "data", "world", "w", "--scenes", "0")
	p.refused([]string{"miou>=FRACTION"}, "demo", "--require", "mio>=3")
}
