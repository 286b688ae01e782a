package archtest

import (
	"go/build"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground"
)

const module = "github.com/textground/textground/"

// layer gives each package a height; a package may import only packages strictly below its own. Packages of one height
// do not know each other, so coordinator and worker never meet but in proto.
var layer = map[string]int{
	"cmd/textground": 9, "internal/schema": 9, "internal/nvcc": 9, "deploy/chaos": 9,
	"internal/golden": 8, "segment/benchmark": 8,
	"coordinator": 7, "worker": 7, "segment": 7, "coordinator/sim": 7,
	"tcl/cliptrain": 6,
	"tcl":           5, "coordinator/core": 5, "dataset/world": 5, "dataset/ingest": 5,
	"exchange": 4, "dataset": 4, "checkpoint": 4,
	"checkpoint/safetensors": 3, "checkpoint/torch": 3, "store/storetest": 3, "exchange/exchangetest": 3, "kernels/kerneltest": 3, "kernels/devices": 3,
	"kernels/cpu": 2, "kernels/ref": 2, "kernels/cuda": 2, "kernels/emu": 2,
	"kernels/cuda/bin": 1, "dataset/turbojpeg": 1, "dataset/resample": 1, "kernels/cuda/driver": 1,
	"proto": 1, "store": 1, "kernels": 1, "internal/ftfy": 1, "internal/buildid": 1,
	"internal/philox": 0, "internal/fault": 0, "internal/atomicfile": 0, "internal/dense": 0, "internal/archtest": 0, "examples": 0, ".": 0,
}

// homes are the libraries that few packages may import: one, but for the two readers of YAML files, and for host tensors,
// which stand at the edges: kernels has tensors of its own, and nothing between the edges needs any.
var homes = map[string][]string{
	"github.com/nats-io/nats.go":          {"exchange"},
	"github.com/nats-io/nats-server/v2":   {"exchange", "exchange/exchangetest"},
	"github.com/minio/minio-go/v7":        {"store"},
	"github.com/spf13/cobra":              {"cmd/textground"},
	"github.com/vbauerster/mpb/v8":        {"cmd/textground"},
	"github.com/parquet-go/parquet-go":    {"dataset/ingest"},
	"github.com/prometheus/client_golang": {"cmd/textground"},
	"github.com/goccy/go-yaml":            {"proto", "tcl/cliptrain"},
	"github.com/invopop/jsonschema":       {"internal/schema"},
	"gorgonia.org/cu":                     {"kernels/cuda"},
	"gorgonia.org/tensor":                 {"internal/dense", "checkpoint", "checkpoint/safetensors", "dataset", "tcl", "worker", "segment", "internal/golden"},
}

func TestImportsGoOnlyDown(t *testing.T) {
	for dir, imports := range packages(t) {
		height, known := layer[dir]
		if !known {
			t.Errorf("package %s has no place in the house: give it a height in this test and a line in ARCHITECTURE.md", dir)
			continue
		}
		for _, imported := range imports {
			if inside, ours := strings.CutPrefix(imported, module); ours && layer[inside] >= height {
				t.Errorf("%s imports %s: imports go only down, so that each part can be read and tested without those above it", dir, inside)
			}
		}
	}
}

func TestEveryLibraryHasOneHome(t *testing.T) {
	for dir, imports := range packages(t) {
		for _, imported := range imports {
			for library, home := range homes {
				if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.Contains(home, dir) {
					t.Errorf("%s imports %s, whose home is %v", dir, imported, home)
				}
			}
		}
	}
}

func TestTheCoreKnowsNoClockNoNetworkNoChance(t *testing.T) {
	for _, imported := range packages(t)["coordinator/core"] {
		if slices.Contains([]string{"net", "os", "math/rand", "math/rand/v2", "crypto/rand", "sync", "context"}, imported) {
			t.Errorf("coordinator/core imports %s: it is a pure machine", imported)
		}
	}
}

// carriers move bytes whose digests are compared on arrival, so no number depends on them.
var carriers = []string{"checkpoint", "checkpoint/safetensors", "checkpoint/torch", "store", "internal/fault", "internal/dense"}

func TestWhateverComputesIsInTheBuildID(t *testing.T) {
	imports := packages(t)
	seen := map[string]bool{}
	for waiting := []string{"worker", "kernels/devices"}; len(waiting) > 0; waiting = waiting[1:] {
		dir := waiting[0]
		if seen[dir] || slices.Contains(carriers, dir) {
			continue
		}
		seen[dir] = true
		if files, err := fs.Glob(textground.Sources(), dir+"/*.go"); err != nil || len(files) == 0 {
			t.Errorf("a worker computes with package %s, which is not embedded by sources.go: two builds with different numbers would be of one device class", dir)
		}
		for _, imported := range imports[dir] {
			if inside, ours := strings.CutPrefix(imported, module); ours {
				waiting = append(waiting, inside)
			}
		}
	}
}

var pageName = regexp.MustCompile(`[A-Za-z0-9_/-]+\.md\b`)

// Whoever reads "reliability.md section 2" must find the page: in docs, or where the reference says.
func TestPagesThatAreReferredToExist(t *testing.T) {
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"bin", "demo", "runs"}, name)) {
				return fs.SkipDir
			}
			return err
		}
		if !slices.Contains([]string{".go", ".md", ".c", ".h", ".cu", ".cuh", ".yaml"}, path.Ext(name)) {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		for _, page := range pageName.FindAllString(string(text), -1) {
			if strings.Contains(page, "NNN") || exists(root, page) || exists(root, path.Join("docs", page)) || exists(root, path.Join(path.Dir(name), page)) {
				continue
			}
			t.Errorf("%s refers to %s, which is neither at the root, nor in docs, nor beside it", name, page)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func exists(root fs.FS, name string) bool {
	_, err := fs.Stat(root, path.Clean(name))
	return err == nil
}

// packages maps each directory with Go code to what its non-test files import, with and without the CUDA device.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		dir, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if name := d.Name(); path != root && strings.HasPrefix(name, ".") || name == "testdata" || slices.Contains([]string{"bin", "demo", "runs"}, dir) {
			return filepath.SkipDir
		}
		for _, tags := range [][]string{nil, {"cuda"}} {
			variant := build.Default
			variant.BuildTags = tags
			if p, err := variant.ImportDir(path, 0); err == nil && len(p.GoFiles)+len(p.CgoFiles) > 0 {
				found[filepath.ToSlash(dir)] = append(found[filepath.ToSlash(dir)], p.Imports...)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
