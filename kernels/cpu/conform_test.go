//go:build cgo

package cpu_test

import (
	"fmt"
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

func BenchmarkDevice(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("%d-threads", threads), func(b *testing.B) {
			kerneltest.Bench(b, kerneltest.Subject{Open: open}, threads)
		})
	}
}
