package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/store"
)

// sealedRunOf makes a directory of runs with one run, sealed after step 7 in a store of its own.
func sealedRunOf(t *testing.T, s *checkpoint.State) (dir string) {
	t.Helper()
	dir = t.TempDir()
	url := "file://" + t.TempDir()
	record, err := json.Marshal(RunRecord{Run: "done", File: proto.RunFile{Store: url}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "done"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "done", recordFile), record, 0o644); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	m := checkpoint.NewManifest(checkpoint.Lineage{Run: "done"}, checkpoint.Writer{Epoch: 1, Nonce: "w"}, s, checkpoint.Identity{})
	if _, err := checkpoint.Save(t.Context(), st, m, s); err != nil {
		t.Fatal(err)
	}
	return dir
}

// stateOf has two parameters, named after the first.
func stateOf(first string) *checkpoint.State {
	gate, weight := dense.Of([]float32{0.5}), dense.Of([]float32{1, -2, 3, -4, 5, -6}, 2, 3)
	all := []*tensor.Dense{gate, weight}
	return &checkpoint.State{Step: 7, Names: []string{first, "zz.weight"}, Params: all, M1: all, M2: all, Updates: []int{7, 7}}
}

func TestExportedArraysHoldTheParametersAndTheirShapes(t *testing.T) {
	s := stateOf("gate")
	runs, out := sealedRunOf(t, s), filepath.Join(t.TempDir(), "arrays")
	if done := command(t, "export", "done", "--dir", runs, "--npy", out); done.code != exitDone {
		t.Fatal(done.err)
	}
	for i, name := range s.Names {
		f, err := os.Open(filepath.Join(out, name+".npy"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var read tensor.Dense
		if err := read.ReadNpy(f); err != nil {
			t.Fatal(err)
		}
		if got, err := dense.Values[float32](&read, dense.Shape(s.Params[i])...); err != nil || !slices.Equal(got, dense.Floats(s.Params[i])) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestExportRefusesWhatMakesNoSense(t *testing.T) {
	runs := sealedRunOf(t, stateOf("../gate"))
	elsewhere := filepath.Join(t.TempDir(), "arrays")
	if done := command(t, "export", "done", "--dir", runs, "--npy", elsewhere); done.err == nil || !strings.Contains(done.err.Error(), `"../gate"`) {
		t.Errorf("a name that leads out of the directory: %v", done.err)
	}
	if done := command(t, "export", "done", "--dir", runs, "--npy", elsewhere, "--to", "x.pth"); done.code != exitBadInput {
		t.Errorf("both forms: %v", done.err)
	}
}
