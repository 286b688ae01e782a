package devices_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/kernels/cpu"
	"github.com/textground/textground/kernels/devices"
)

func TestEveryNameOpensOrSaysWhatItNeeds(t *testing.T) {
	needs := map[string]string{"cpu": "CGO_ENABLED=1", "cuda": "make build|no NVIDIA driver", "cuda-float32": "make build|no NVIDIA driver"}
	for _, name := range devices.Names() {
		d, err := devices.Open(name, 1)
		if err != nil {
			if !slices.ContainsFunc(strings.Split(needs[name], "|"), func(what string) bool { return what != "" && strings.Contains(err.Error(), what) }) {
				t.Errorf("%s: %v", name, err)
			}
			if strings.HasPrefix(name, "cuda") && !strings.HasSuffix(err.Error(), devices.WithoutCard) {
				t.Errorf("%s: %v: nothing says how to go on", name, err)
			}
			continue
		}
		if base, _, _ := strings.Cut(name, "-"); name != "auto" && !strings.HasPrefix(d.Name(), base) {
			t.Errorf("%s opened %s", name, d.Name())
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAutoPrefersCardsThenCPU(t *testing.T) {
	for _, name := range []string{"cuda", "cpu", "ref"} {
		first, err := devices.Open(name, 1)
		if err != nil {
			continue
		}
		defer first.Close()
		d, err := devices.Open("auto", 1)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if d.Name() != first.Name() {
			t.Errorf("auto is %s, want %s", d.Name(), first.Name())
		}
		return
	}
}

func TestOnlyCardsAreCounted(t *testing.T) {
	for wrong, says := range map[string]string{"cuda:x": "cuda:0", "cuda:-1": "cuda:0", "cuda:": "cuda:0", "cpu:1": "does not exist", "cuda-float32:one": "cuda-float32:0"} {
		if _, err := devices.Open(wrong, 1); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want an error that says %s", wrong, err, says)
		}
	}
}

func TestUnknownNamesGetTheNearestValidOne(t *testing.T) {
	for wrong, near := range map[string]string{"cpus": "cpu", "reference": "ref", "CPU": "cpu", "atuo": "auto"} {
		_, err := devices.Open(wrong, 1)
		if err == nil || !strings.Contains(err.Error(), `did you mean "`+near+`"`) {
			t.Errorf("%s: %v, want a hint at %s", wrong, err, near)
		}
	}
}

func TestAnInstructionSetThatTheCPULacksIsAnError(t *testing.T) {
	if len(cpu.InstructionSets()) == 0 {
		t.Skip("no cgo")
	}
	t.Setenv("TEXTGROUND_ISA", "sse9")
	_, err := devices.Open("cpu", 1)
	if err == nil || !strings.Contains(err.Error(), "sse9") {
		t.Errorf("got %v", err)
	}
	if !slices.Contains(devices.Names(), "cpu") {
		t.Error("cpu is no name")
	}
}
