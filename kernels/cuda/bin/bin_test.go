package bin_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/kernels/cuda/bin"
)

func load(t *testing.T) bin.Manifest {
	t.Helper()
	m, err := bin.Load()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTheCommittedKernelsAreMadeOfTheseSources(t *testing.T) {
	have, err := bin.SourceDigests(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range slices.Sorted(maps.Keys(have)) {
		if load(t).Sources[file] != have[file] {
			t.Errorf("kernels/cuda/%s was changed after the kernels were compiled: run `make kernels`", file)
		}
	}
	for file := range load(t).Sources {
		if have[file] == "" {
			t.Errorf("kernels/cuda/%s was compiled but is gone: run `make kernels`", file)
		}
	}
}

func TestEveryCardFindsItsModules(t *testing.T) {
	for sm, target := range map[int]string{80: "sm_80", 86: "sm_80", 89: "sm_80", 90: "sm_90a", 100: "compute_80", 120: "compute_80"} {
		images, err := bin.Images(sm)
		if err != nil || len(images) == 0 {
			t.Fatalf("sm_%d: %d modules, %v", sm, len(images), err)
		}
		for file, image := range images {
			if !strings.Contains(file, "."+target+".") || len(image) == 0 {
				t.Errorf("sm_%d gets %s with %d bytes", sm, file, len(image))
			}
		}
	}
}

func TestModulesAreTheManifestsBytesAndNothingSpills(t *testing.T) {
	for _, module := range load(t).Modules {
		image, err := os.ReadFile(module.File)
		if err != nil {
			t.Fatal(err)
		}
		if bin.Digest(image) != module.SHA256 {
			t.Errorf("%s is not the file of the manifest", module.File)
		}
		for _, k := range module.Kernels {
			if k.Spilled > 0 {
				t.Errorf("%s: %s spills %d bytes", module.File, k.Name, k.Spilled)
			}
			if k.Registers == 0 {
				t.Errorf("%s: %s has no register count", module.File, k.Name)
			}
		}
	}
}
