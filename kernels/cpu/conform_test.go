//go:build cgo

package cpu_test

import (
	"testing"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/cpu"
	"github.com/textground/textground/kernels/kerneltest"
)

// Every instruction set of this CPU conforms, and gives the same bits with 1, 2 and 3 threads and at odd addresses.
func TestConforms(t *testing.T) {
	for _, isa := range cpu.InstructionSets() {
		t.Run(isa, func(t *testing.T) {
			t.Setenv("TEXTGROUND_ISA", isa)
			kerneltest.Run(t, kerneltest.Subject{Open: open})
		})
	}
}

func open(t testing.TB, threads int) kernels.Device {
	t.Helper()
	dev, err := cpu.Open(threads)
	if err != nil {
		t.Fatal(err)
	}
	return dev
}

func TestMaskMemoryDoesNotGrowWithTexts(t *testing.T) {
	kerneltest.MaskMemory(t, kerneltest.Subject{Open: open})
}
