package main

import (
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/examples"
	"github.com/textground/textground/segment/benchmark"
)

// asCommand makes the test binary the command itself, so that it can start itself as the command does.
const asCommand = "TEXTGROUND_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// vocOfTheWorld writes scenes of the world in the layout of PASCAL VOC, whose labels have room for its nouns.
func vocOfTheWorld(t *testing.T, scenes int) string {
	t.Helper()
	dir := t.TempDir()
	split := ""
	for i := range scenes {
		s, name := world.Draw(1000, world.EvalFirst+i), "2007_00000"+string(rune('0'+i))
		split += name + "\n"
		putFile(t, filepath.Join(dir, "VOC2012/JPEGImages", name+".jpg"), s.JPEG())
		putFile(t, filepath.Join(dir, "VOC2012/SegmentationClass", name+".png"), s.MaskPNG())
	}
	putFile(t, filepath.Join(dir, "VOC2012/ImageSets/Segmentation/val.txt"), []byte(split))
	return dir
}

func putFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func readReport(t *testing.T, done outcome) *benchmarkReport {
	t.Helper()
	if done.code != exitDone {
		t.Fatal(done.err)
	}
	r := &benchmarkReport{}
	if err := json.Unmarshal([]byte(done.out), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestABenchmarkGivesTheSameNumberFromAnyNumberOfProcesses(t *testing.T) {
	t.Setenv(asCommand, "1")
	data, weights := vocOfTheWorld(t, 5), grounderFile(t)
	var first *benchmarkReport
	for _, processes := range []string{"1", "2", "3"} {
		r := readReport(t, command(t, "eval", "--benchmark", "voc", "--data", data, "--weights", weights, "--pamr=false", "--threshold", "0.15",
			"--processes", processes, "--baseline", "maskclip", "--out", t.TempDir(), "--worst", "0", "--json"))
		if first == nil {
			first = r
		}
		if *r.Card.MIoU != *first.Card.MIoU || r.Card.ConfusionSHA256 != first.Card.ConfusionSHA256 || r.Baseline.Card.ConfusionSHA256 != first.Baseline.Card.ConfusionSHA256 || len(r.Images) != 5 {
			t.Errorf("%s processes: mIoU %v, not %v", processes, *r.Card.MIoU, *first.Card.MIoU)
		}
		if !slices.EqualFunc(r.Images, first.Images, func(a, b benchmark.Score) bool { return a.Name == b.Name && *a.MIoU == *b.MIoU }) {
			t.Errorf("%s processes: %v, not %v", processes, r.Images, first.Images)
		}
	}
	if first.Card.Protocol.Threshold != 0.15 || first.Card.Protocol.PAMR || first.Card.Images != 5 || *first.Card.MIoU == 0 || first.Card.Baseline != "" || first.Baseline.Card.Baseline != "maskclip" {
		t.Errorf("%+v", first.Card)
	}
}

func TestAFailingProcessIsHeard(t *testing.T) {
	t.Setenv(asCommand, "1")
	data := vocOfTheWorld(t, 2)
	broken := filepath.Join(data, "VOC2012/SegmentationClass/2007_000001.png") // of the second process
	putFile(t, broken, []byte("no labels"))
	done := command(t, "eval", "--benchmark", "voc", "--data", data, "--weights", grounderFile(t), "--processes", "2", "--out", t.TempDir())
	if done.code != exitBadInput || !strings.Contains(done.err.Error(), broken) {
		t.Errorf("code %d, %v", done.code, done.err)
	}
}

func TestACardIsRepeatedOrRefused(t *testing.T) {
	data, weights, out := vocOfTheWorld(t, 3), grounderFile(t), t.TempDir()
	common := []string{"eval", "--data", data, "--weights", weights, "--json"}
	r := readReport(t, command(t, append(common, "--benchmark", "voc20", "--limit", "2", "--clip-mix", "0.2", "--pamr=false", "--baseline", "maskclip", "--worst", "1", "--out", out)...))
	common = append(common, "--worst", "0")
	if p := r.Card.Protocol; p.PAMR || p.CLIPMix != 0.2 || p.Background || !p.ZeroIgnored || r.Card.Images != 2 || len(r.Result.Classes) != 20 {
		t.Errorf("%+v", r.Card)
	}
	sheet, err := os.Open(filepath.Join(out, "worst.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer sheet.Close()
	if _, err := png.Decode(sheet); err != nil {
		t.Error(err)
	}
	for _, card := range []string{filepath.Join(out, "card.json"), filepath.Join(out, "maskclip", "card.json")} {
		again := readReport(t, command(t, append(common, "--like", card, "--out", t.TempDir())...))
		if !strings.Contains(again.Repeats, "the same as the card's") || again.Card.Images != 2 || again.Card.Protocol.CLIPMix != 0.2 {
			t.Errorf("%s: %q, %+v", card, again.Repeats, again.Card)
		}
	}
	card := filepath.Join(out, "card.json")
	refuse := func(want string, args ...string) {
		t.Helper()
		done := command(t, append(args, "--like", card, "--out", t.TempDir())...)
		if done.code != exitBadInput || !strings.Contains(done.err.Error(), want) {
			t.Errorf("wanted %q: code %d, %v", want, done.code, done.err)
		}
	}
	refuse("--pamr is on the card", append(common, "--pamr")...)
	refuse("the card is of other weights", "eval", "--data", data, "--weights", otherGrounder(t, weights))
	refuse("the card is of 2 images of voc20, here are 1", "eval", "--data", vocOfTheWorld(t, 1), "--weights", weights)
	picture := filepath.Join(data, "VOC2012/JPEGImages/2007_000001.jpg")
	putFile(t, picture, world.Draw(1, 1).JPEG())
	refuse("other images or label maps", common...)
}

func TestTheBaselineOfACLIPAloneIsMeasuredAlone(t *testing.T) {
	clip := filepath.Join(t.TempDir(), "clip.safetensors")
	putFile(t, clip, examples.WorldCLIP)
	args := []string{"eval", "--benchmark", "voc", "--data", vocOfTheWorld(t, 1), "--weights", clip, "--worst", "0", "--out", t.TempDir(), "--json"}
	r := readReport(t, command(t, append(args, "--baseline", "maskclip")...))
	if p := r.Card.Protocol; r.Card.Baseline != "maskclip" || r.Baseline != nil || !p.PAMR || p.Threshold != 0.4 || p.CLIPMix != 0.3 {
		t.Errorf("%+v", r.Card)
	}
	if done := command(t, args...); done.code != exitBadInput {
		t.Errorf("without a baseline: code %d, %v", done.code, done.err)
	}
}

// otherGrounder is a grounder file with one value changed.
func otherGrounder(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-3] ^= 1
	other := filepath.Join(t.TempDir(), "other.safetensors")
	putFile(t, other, data)
	return other
}

func TestANumberThatIsNotTheCardsIsAMissedGoal(t *testing.T) {
	data, weights, out := vocOfTheWorld(t, 1), grounderFile(t), t.TempDir()
	common := []string{"eval", "--data", data, "--weights", weights, "--worst", "0"}
	readReport(t, command(t, append(common, "--benchmark", "voc", "--pamr=false", "--out", out, "--json")...))
	card, err := os.ReadFile(filepath.Join(out, "card.json"))
	if err != nil {
		t.Fatal(err)
	}
	for replace, code := range map[string]int{"device_class": exitDone, "": exitGoalMissed} {
		changed := strings.Replace(string(card), `"confusion_sha256":"`, `"confusion_sha256":"0`, 1)
		if replace != "" {
			changed = strings.Replace(changed, `"device_class":"`, `"device_class":"another`, 1)
		}
		path := filepath.Join(t.TempDir(), "card.json")
		putFile(t, path, []byte(changed))
		if done := command(t, append(common, "--like", path, "--out", t.TempDir())...); done.code != code {
			t.Errorf("%q changed: code %d, %v", replace, done.code, done.err)
		}
	}
}

func TestBenchmarksRefuseWhatMakesNoSense(t *testing.T) {
	data, weights := vocOfTheWorld(t, 1), grounderFile(t)
	for want, args := range map[string][]string{
		"--data is missing":                  {"--benchmark", "voc"},
		"there is no benchmark \"voc21\"":    {"--benchmark", "voc21", "--data", data},
		"belongs to a benchmark":             {"world", "--limit", "3"},
		"has no folder leftImg8bit/val":      {"--benchmark", "cityscapes", "--data", data, "--weights", weights},
		"has no folder SegmentationClassCon": {"--benchmark", "context60", "--data", filepath.Join(data, "VOC2012"), "--weights", weights},
		"a benchmark has its classes":        {"--benchmark", "voc", "--data", data, "--no-background"},
		"voc20 has none":                     {"--benchmark", "voc20", "--data", data, "--weights", weights, "--threshold", "0.3"},
		"leave out one of":                   {"--like", "card.json", "--benchmark", "voc", "--data", data},
		"name the card.json":                 {"--like", "nope.json", "--data", data},
		"--processes 0":                      {"--benchmark", "voc", "--data", data, "--processes", "0"},
		"--share belongs to --like":          {"--benchmark", "voc", "--data", data, "--share", "0/2"},
		"there is one baseline":              {"--benchmark", "voc", "--data", data, "--baseline", "clip"},
		"unknown command":                    {"world", "--benchmark", "voc", "--data", data},
	} {
		done := command(t, append([]string{"eval"}, args...)...)
		if done.code != exitBadInput || !strings.Contains(done.err.Error(), want) {
			t.Errorf("%v: code %d, %v", args, done.code, done.err)
		}
	}
}
