//go:build cgo

package chaos

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/internal/dense"
)

// How a file of tensors can be damaged, and what must be said of it. tensor is the one that is damaged.
var damages = []struct {
	name string
	file func(t *testing.T, whole []byte, tensor string) []byte
	says []string
}{
	{"wrong shape", reshaped, []string{"shape"}},
	{"missing name", withoutTensor, []string{}},
	{"NaN", poisoned, []string{}},
	{"cut short", func(_ *testing.T, whole []byte, _ string) []byte { return whole[:len(whole)/2] }, []string{"no whole safetensors file", "copy it again"}},
	{"a web page", func(*testing.T, []byte, string) []byte { return []byte(webPage) }, []string{"no whole safetensors file", "copy it again"}},
	{"empty", func(*testing.T, []byte, string) []byte { return nil }, []string{"no whole safetensors file", "copy it again"}},
}

// rewritten passes every tensor of a file through edit, which may drop it.
func rewritten(t *testing.T, whole []byte, edit func(*safetensors.Tensor) (keep bool)) []byte {
	t.Helper()
	f, err := safetensors.Read(whole)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []safetensors.Tensor
	for _, tensor := range f.Tensors {
		if edit(&tensor) {
			tensors = append(tensors, tensor)
		}
	}
	data, err := safetensors.Encode(tensors, f.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// reshaped gives a tensor one more dimension: as many bytes, another shape.
func reshaped(t *testing.T, whole []byte, tensor string) []byte {
	return rewritten(t, whole, func(x *safetensors.Tensor) bool {
		if x.Name == tensor {
			x.Shape = append([]int{1}, x.Shape...)
		}
		return true
	})
}

func withoutTensor(t *testing.T, whole []byte, tensor string) []byte {
	return rewritten(t, whole, func(x *safetensors.Tensor) bool { return x.Name != tensor })
}

func poisoned(t *testing.T, whole []byte, tensor string) []byte {
	return rewritten(t, whole, func(x *safetensors.Tensor) bool {
		if x.Name == tensor {
			values, err := x.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			values[0] = float32(math.NaN())
			x.Data = bytes.Clone(safetensors.Of(tensor, dense.Of(values, x.Shape...)).Data)
		}
		return true
	})
}

// refusesDamage runs a command on each damaged version of a file; every refusal names file, place and mend.
func (p *place) refusesDamage(whole []byte, tensor string, command func(path string) []string) {
	p.t.Helper()
	for _, d := range damages {
		path := filepath.Join(p.dir, strings.ReplaceAll(d.name, " ", "-")+".safetensors")
		if err := os.WriteFile(path, d.file(p.t, whole, tensor), 0o644); err != nil {
			p.t.Fatal(err)
		}
		says := append([]string{filepath.Base(path)}, d.says...)
		if !strings.Contains(strings.Join(d.says, ""), "whole") {
			says = append(says, tensor)
		}
		p.t.Log(d.name)
		p.refused(says, command(path)...)
	}
}

func read(t *testing.T, parts ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{root}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A run that is refused before it began leaves no run behind: resume still takes the one before.
func TestDamagedCLIPWeightsAreNamedAndTheRunBeforeStaysTheLatest(t *testing.T) {
	p := newPlace(t)
	p.train("--workers", "1", "--run", "sound", "--steps", "4")
	p.refusesDamage(read(t, "examples", "world-clip.safetensors"), "visual.transformer.resblocks.1.mlp.c_fc.bias", func(path string) []string {
		return []string{"train", p.edited("clip: builtin:world", "clip: "+path), "--page", "", "--workers", "1"}
	})
	mustEqualTruth(t, p.start("resume", "--json", "--page", "", "--workers", "1").result())
}

func TestDamagedGrounderWeightsAreNamed(t *testing.T) {
	p := newPlace(t)
	p.train("--workers", "1", "--run", "sound", "--steps", "4")
	exported := filepath.Join(p.dir, "grounder.safetensors")
	if code, _, stderr := p.run("export", "sound", "--to", exported); code != 0 {
		t.Fatalf("export: %s", stderr)
	}
	picture := filepath.Join(p.dir, "scene.jpg")
	if err := os.WriteFile(picture, world.Draw(1, 0).JPEG(), 0o644); err != nil {
		t.Fatal(err)
	}
	segment := func(path string) []string {
		return []string{"segment", picture, "--text", "fish, tree", "--weights", path}
	}
	p.refusesDamage([]byte(contents(t, exported)), "masker.sim2mask.b", segment)
	if code, _, stderr := p.run(segment(exported)...); code != 0 {
		t.Errorf("the whole file: code %d\n%s", code, stderr)
	}
}

func TestDamagedGoldensAreNamed(t *testing.T) {
	p := newPlace(t)
	verify := func(path string) []string { return []string{"verify", path} }
	whole := read(t, "internal", "golden", "testdata", "tiny_p1.safetensors")
	p.refusesDamage(whole, "in.weights.masker.sim2mask.b", verify)
	inputs := filepath.Join(p.dir, "inputs.safetensors")
	overwrite(t, inputs, string(rewritten(t, whole, func(x *safetensors.Tensor) bool { return strings.HasPrefix(x.Name, "in.") })))
	p.refused([]string{"inputs.safetensors", "nothing to compare"}, verify(inputs)...)
}
