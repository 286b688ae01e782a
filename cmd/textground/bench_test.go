package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/textground/textground/kernels/devices"
)

func TestBenchKernelsMeasuresWhatIsAskedFor(t *testing.T) {
	o := command(t, "bench", "kernels", "--device", "ref", "--only", "InfoNCE", "--micro-batch", "2", "--batch", "4", "--json")
	var line kernelLine
	if err := json.Unmarshal([]byte(o.out), &line); err != nil || line.Kernel != "InfoNCE/2x4-both-ways" || line.GBs <= 0 || line.Device != "ref" {
		t.Errorf("%v: %+v", err, o)
	}
}

func TestBenchRefusesBatchesThatAreNoWholeLanes(t *testing.T) {
	for _, verb := range []string{"kernels", "step"} {
		o := command(t, "bench", verb, "--device", "ref", "--micro-batch", "3", "--batch", "4")
		if o.code != exitBadInput || !strings.Contains(o.err.Error(), "--micro-batch 3 must divide --batch 4") {
			t.Errorf("%s: %+v", verb, o)
		}
	}
}

// Where there is no card, asking for cards is bad input that says what is missing.
func TestGPUsThatAreNotThereAreRefused(t *testing.T) {
	if _, err := usableCards(); err == nil {
		t.Skip("this machine has cards")
	}
	o := command(t, "train", "../../examples/tiny.yaml", "--gpus", "all")
	if o.code != exitBadInput || !strings.Contains(o.err.Error(), "--gpus all: ") || !strings.HasSuffix(o.err.Error(), devices.WithoutCard) {
		t.Errorf("%+v", o)
	}
}

func TestWorkersAreSpreadOverTheCardsThatAreNamed(t *testing.T) {
	for device, names := range map[string]string{
		"cuda": "cuda:0 cuda:2", "auto": "cuda:0 cuda:2", "": "cuda:0 cuda:2", "cuda-float32": "cuda-float32:0 cuda-float32:2", "cpu": "", "cuda:1": "",
	} {
		if got := strings.Join(localDevices(device, []int{0, 2}), " "); got != names {
			t.Errorf("%q: %q, want %q", device, got, names)
		}
	}
}

func TestDoctorSaysPlainlyThatThereIsNoCard(t *testing.T) {
	if _, err := usableCards(); err == nil {
		t.Skip("this machine has cards")
	}
	o := command(t, "doctor", "--store", "file://"+t.TempDir())
	if o.code != exitDone || !strings.Contains(o.out, "NVIDIA cards") || !strings.Contains(o.out, "so: ") {
		t.Errorf("%+v", o)
	}
}
