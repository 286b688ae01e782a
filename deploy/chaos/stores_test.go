//go:build cgo

package chaos

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/textground/textground/store/storetest"
)

func TestABucketGivesTheSameBits(t *testing.T) {
	url := storetest.SetS3(t)
	p := newPlace(t)
	mustEqualTruth(t, p.train("--workers", "2", "--store", url))
}

// Every damage that a store can do to the newest checkpoint: resume says which one it skipped and why, and goes on from the
// one before.
func TestADamagedCheckpointIsSkippedByName(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, manifest, volume string){
		"truncated volume": func(t *testing.T, _, volume string) { truncate(t, volume) },
		"flipped bit":      func(t *testing.T, _, volume string) { flipBit(t, volume, -100) },
		"missing volume":   func(t *testing.T, _, volume string) { remove(t, volume) },
		"garbage manifest": func(t *testing.T, manifest, _ string) { overwrite(t, manifest, "{") },
		"older format": func(t *testing.T, manifest, _ string) {
			overwrite(t, manifest, `{"schema": "textground-checkpoint-0"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			p.train("--workers", "1", "--run", "damaged", "--steps", "8")
			step := filepath.Join(p.dir, "runs/store/runs/damaged/lineages/0/ckpt/0000000008")
			volumes, err := filepath.Glob(filepath.Join(step, "*", "volume-00000.safetensors"))
			if err != nil || len(volumes) != 1 {
				t.Fatalf("volumes %v, %v", volumes, err)
			}
			damage(t, filepath.Join(step, "MANIFEST.json"), volumes[0])
			c := p.start("resume", "damaged", "--json", "--page", "", "--workers", "2")
			mustEqualTruth(t, c.result())
			if text := c.errs.String(); !strings.Contains(text, "step 8 skipped") || !strings.Contains(text, "going on from the state after step 3") {
				t.Errorf("resume does not say what it skipped:\n%s", text)
			}
		})
	}
}

func truncate(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
