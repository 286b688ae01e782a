package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/examples"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/segment"
	"github.com/textground/textground/tcl"
)

// outcome is what a command line said and how it ended.
type outcome struct {
	out, talk string
	code      int
	err       error
}

// command carries a command line out in this process.
func command(t *testing.T, args ...string) outcome {
	t.Helper()
	var out, talk bytes.Buffer
	root := newRoot()
	root.SetArgs(append([]string{"--dir", t.TempDir()}, args...))
	root.SetOut(&out)
	root.SetErr(&talk)
	err := root.ExecuteContext(t.Context())
	code := exitDone
	if err != nil {
		code = codeOf(err)
	}
	return outcome{out.String(), talk.String(), code, err}
}

// grounderFile writes an untrained grounder of the built-in CLIP of the trained parameters alone.
func grounderFile(t *testing.T) string {
	t.Helper()
	file, err := proto.ParseRunFile("world.yaml", examples.World)
	if err != nil {
		t.Fatal(err)
	}
	a, err := assembleModel(file)
	if err != nil {
		t.Fatal(err)
	}
	ground := a.initialGrounder()
	var tensors []safetensors.Tensor
	for _, p := range tcl.Trainables(a.config) {
		tensors = append(tensors, safetensors.Of(p.Name, ground[p.Name]))
	}
	data, err := safetensors.Encode(tensors, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "grounder.safetensors")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// heldOut writes some scenes and their masks into a directory.
func heldOut(t *testing.T, scenes int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range scenes {
		s := world.Draw(1000, world.EvalFirst+i)
		name := filepath.Join(dir, string(rune('a'+i)))
		for path, data := range map[string][]byte{name + ".jpg": s.JPEG(), name + ".png": s.MaskPNG()} {
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func TestSegmentWritesMasksOfTheSizeOfThePicture(t *testing.T) {
	out := filepath.Join(t.TempDir(), "masks")
	picture := filepath.Join(heldOut(t, 1), "a.jpg")
	scores := filepath.Join(t.TempDir(), "a.npy")
	done := command(t, "segment", picture, "--text", "fish|goldfish, tree", "--weights", grounderFile(t), "--out", out, "--rle", "--json", "--no-background", "--pamr", "--scores", scores)
	if done.code != exitDone {
		t.Fatal(done.err)
	}
	var said segmentation
	if err := json.Unmarshal([]byte(done.out), &said); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(out, "a.labels.png"))
	if err != nil {
		t.Fatal(err)
	}
	labels, err := segment.ReadLabels(data)
	if err != nil {
		t.Fatal(err)
	}
	if height, width := labels.Size(); height != 64 || width != 64 {
		t.Errorf("labels of %dx%d", width, height)
	}
	if said.Classes[0].Pixels+said.Classes[1].Pixels != 64*64 || said.Classes[0].Name != "fish" || len(said.Files) != 4 || !said.Protocol.PAMR {
		t.Errorf("%+v", said)
	}
	wantScores(t, scores, labels, 2)
	var masks []cocoMask
	if data, err = os.ReadFile(filepath.Join(out, "a.rle.json")); err == nil {
		err = json.Unmarshal(data, &masks)
	}
	if err != nil || len(masks) == 0 || masks[0].Segmentation != labels.RLE(masks[0].CategoryID) {
		t.Errorf("%v: %+v", err, masks)
	}
}

// wantScores checks that the file holds scores whose best class at each pixel is the label.
func wantScores(t *testing.T, path string, labels *segment.LabelMap, classes int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var read tensor.Dense
	if err := read.ReadNpy(f); err != nil {
		t.Fatal(err)
	}
	height, width := labels.Size()
	if _, err := dense.Values[float32](&read, classes, height, width); err != nil {
		t.Fatal(err)
	}
	again := segment.Scores{Names: make([]string, classes), Values: &read}
	if !slices.Equal(again.Labels().Pix(), labels.Pix()) {
		t.Error("the scores in the file have other labels than the masks")
	}
}

func TestSegmentSaysWhatItCouldNotUseAndGoesOn(t *testing.T) {
	dir := heldOut(t, 1)
	if err := os.Remove(filepath.Join(dir, "a.png")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "0.jpg"), []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	done := command(t, "segment", dir, "--text", "fish", "--weights", grounderFile(t), "--out", t.TempDir())
	if done.code != exitBadInput || !strings.Contains(done.talk, "0.jpg: decode image") || !strings.Contains(done.out, "a.jpg, 64x64") {
		t.Errorf("code %d, %q, %q", done.code, done.talk, done.out)
	}
}

func TestEvalMeasuresADirectoryAndItsGoal(t *testing.T) {
	var nouns []string
	for _, class := range segment.WorldClasses() {
		nouns = append(nouns, class[0])
	}
	names := filepath.Join(t.TempDir(), "names.txt")
	if err := os.WriteFile(names, []byte(strings.Join(nouns, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"eval", heldOut(t, 3), "--weights", grounderFile(t), "--classes", names, "--json"}
	done := command(t, append(args, "--require", "miou>=0")...)
	var report evaluationReport
	if err := json.Unmarshal([]byte(done.out), &report); err != nil || done.code != exitDone {
		t.Fatal(err, done.err)
	}
	if report.Images != 3 || len(report.Classes) != 17 || report.MIoU == nil || report.Protocol.Threshold != 0.2 {
		t.Errorf("%+v", report)
	}
	if missed := command(t, append(args, "--require", "miou>=0.99")...); missed.code != exitGoalMissed {
		t.Errorf("code %d: %v", missed.code, missed.err)
	}
}

func TestSegmentAndEvalRefuseWhatMakesNoSense(t *testing.T) {
	weights, dir := grounderFile(t), heldOut(t, 1)
	picture := filepath.Join(dir, "a.jpg")
	for want, args := range map[string][]string{
		"name a picture":            {"segment"},
		"--text is missing":         {"segment", picture},
		"class 2 of":                {"segment", picture, "--text", "cat,"},
		"nope.jpg":                  {"segment", "nope.jpg", "--text", "cat", "--weights", weights},
		"the scores of one picture": {"segment", picture, filepath.Join(heldOut(t, 2), "b.jpg"), "--text", "cat", "--weights", weights, "--scores", "x.npy"},
		"would both be written":     {"segment", dir, "--text", "cat", "--weights", weights},
		"textground export":         {"segment", picture, "--text", "cat", "--weights", "nope"},
		"no whole safetensors file": {"segment", picture, "--text", "cat", "--weights", picture},
		"threshold 3":               {"segment", picture, "--text", "cat", "--weights", weights, "--threshold", "3"},
		"give one of them":          {"segment", picture, "--text", "cat", "--weights", weights, "--threshold", "0.3", "--no-background"},
		"no run in":                 {"segment", picture, "--text", "cat"},
		"--classes is missing":      {"eval", dir, "--weights", weights},
		"there are classes 0 to 1":  {"eval", dir, "--weights", weights, "--classes", "cat"},
		"write miou>=FRACTION":      {"eval", "world", "--require", "iou>=2"},
		"there is one baseline":     {"eval", "world", "--baseline", "resnet"},
		"add --no-background":       {"eval", "world", "--zero-ignored"},
	} {
		done := command(t, args...)
		if done.code != exitBadInput || !strings.Contains(done.err.Error(), want) {
			t.Errorf("%v: code %d, %v", args, done.code, done.err)
		}
	}
}
