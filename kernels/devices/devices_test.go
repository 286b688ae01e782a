package devices_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/textground/textground/kernels/cpu"
	"github.com/textground/textground/kernels/devices"
)

func TestEveryNameOpensOrSaysWhatItNeeds(t *testing.T) {
	for _, name := range devices.Names() {
		d, err := devices.Open(name, 1)
		if err != nil {
			if name != "cpu" || len(cpu.InstructionSets()) > 0 || !strings.Contains(err.Error(), "CGO_ENABLED=1") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if name != "auto" && !strings.HasPrefix(d.Name(), name) {
			t.Errorf("%s opened %s", name, d.Name())
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAutoPrefersCPU(t *testing.T) {
	want := "ref"
	if len(cpu.InstructionSets()) > 0 {
		want = "cpu-" + cpu.InstructionSets()[0]
	}
	d, err := devices.Open("auto", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Name() != want {
		t.Errorf("auto is %s, want %s", d.Name(), want)
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
