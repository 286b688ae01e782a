package buildid

import (
	"bytes"
	"io/fs"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/textground/textground"
)

// copied returns the embedded sources as files that a test may change.
func copied(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(textground.Sources(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(textground.Sources(), path)
		files[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func id(t *testing.T, sources fs.FS) string {
	t.Helper()
	b, err := Of(sources, "gcc 13")
	if err != nil {
		t.Fatal(err)
	}
	return b.ID()
}

func TestAChangedByteOfAComputingSourceIsAnotherBuild(t *testing.T) {
	original := id(t, textground.Sources())
	for _, path := range []string{"tcl/pass.go", "kernels/cpu/gemm.h", "kernels/cpu/attention.c", "kernels/ref/matmul.go", "kernels/cuda/include/tg.cuh",
		"exchange/reducer.go", "dataset/augment.go", "proto/tree.go", "worker/sum.go", "internal/philox/philox.go", "go.sum"} {
		files := copied(t)
		if files[path] == nil {
			t.Errorf("%s is not among the sources", path)
			continue
		}
		files[path].Data = bytes.Clone(files[path].Data)
		files[path].Data[len(files[path].Data)/2] ^= 1
		if id(t, files) == original {
			t.Errorf("a changed byte in %s leaves the id as it was", path)
		}
	}
}

func TestAFileThatComesGoesOrMovesIsAnotherBuild(t *testing.T) {
	original := id(t, textground.Sources())
	more, fewer, moved := copied(t), copied(t), copied(t)
	more["tcl/more.go"] = &fstest.MapFile{}
	delete(fewer, "kernels/cpu/gemm.h")
	moved["tcl/other.go"] = moved["tcl/pass.go"]
	delete(moved, "tcl/pass.go")
	for what, files := range map[string]fstest.MapFS{"an added": more, "a removed": fewer, "a renamed": moved} {
		if id(t, files) == original {
			t.Errorf("%s file leaves the id as it was", what)
		}
	}
}

func TestTestsAreNoPartOfTheID(t *testing.T) {
	files := copied(t)
	maps.DeleteFunc(files, func(path string, _ *fstest.MapFile) bool { return strings.HasSuffix(path, "_test.go") })
	if id(t, files) != id(t, textground.Sources()) {
		t.Error("tests change the id")
	}
}

func TestCompilersAndTargetAreInTheID(t *testing.T) {
	b, err := Of(textground.Sources(), "gcc 13")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{b.ID(): true}
	for _, change := range []func(*Build){func(b *Build) { b.Go = "go1.0" }, func(b *Build) { b.C = "clang 17" }, func(b *Build) { b.Target = "amd64/v3" }, func(b *Build) { b.Flags = []string{"-gcflags=-N"} }} {
		other := b
		change(&other)
		ids[other.ID()] = true
	}
	if len(ids) != 5 {
		t.Errorf("%d ids of 5 builds", len(ids))
	}
}

// The ways in which people build the same sources.
func TestLinkerFlagsPathsAndTagsAreNoPartOfTheID(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a small program four times")
	}
	var outputs []string
	for i, flags := range [][]string{nil, {"-ldflags=-s -w"}, {"-tags=cuda,faults"}, {"-trimpath"}} {
		program := filepath.Join(t.TempDir(), "printid")
		build := exec.Command("go", slices.Concat([]string{"build", "-buildvcs=false", "-o", program}, flags, []string{"./testdata/printid"})...)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build %v: %v\n%s", flags, err, out)
		}
		out, err := exec.Command(program).Output()
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, string(out))
		if outputs[i] != outputs[0] {
			t.Errorf("go build %v gives %s, without flags it is %s", flags, out, outputs[0])
		}
	}
}
