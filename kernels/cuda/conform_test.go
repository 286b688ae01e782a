//go:build cuda && cgo

package cuda_test

import (
	"os"
	"testing"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/cuda"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/kernels/kerneltest"
)

// subjects are the device in both precisions, on the card of this machine or on the emulator.
var subjects = map[cuda.Precision]kerneltest.Subject{
	cuda.BFloat16: {Open: open(cuda.BFloat16), Product: bfloat16Product},
	cuda.Float32:  {Open: open(cuda.Float32)},
}

// bfloat16Product is the error of a sum of products whose factors keep 8 bits, relative to the largest of many sums.
const bfloat16Product = 2e-2

// open opens card 0. There is nothing to divide among threads: the argument is for devices that compute on the host. Where
// no driver was named and none is found, the machine has no card and the test is skipped.
func open(p cuda.Precision) func(t testing.TB, threads int) kernels.Device {
	return func(t testing.TB, _ int) kernels.Device {
		t.Helper()
		dev, err := cuda.Open(0, p)
		if err != nil && os.Getenv("TEXTGROUND_CUDA_DRIVER") == "" {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return dev
	}
}

// Both precisions conform to the reference, and give the same bits again at any address of four bytes.
func TestConforms(t *testing.T) {
	for p, subject := range subjects {
		t.Run(p.String(), func(t *testing.T) { kerneltest.Run(t, subject) })
	}
}

// Memory is all that this asks for, so it runs on the twin that plans: the arithmetic would keep the emulator busy for minutes.
func TestMaskMemoryDoesNotGrowWithTexts(t *testing.T) {
	dev := open(cuda.BFloat16)(t, 1)
	defer dev.Close()
	_, err := dev.(devices.Planner).Plan(func(twin kernels.Device) error {
		kerneltest.MaskMemory(t, kerneltest.Subject{Open: func(testing.TB, int) kernels.Device { return planned{twin} }})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// planned is a twin, which has nothing to close.
type planned struct{ kernels.Device }

func (planned) Close() error { return nil }

func BenchmarkDevice(b *testing.B) { kerneltest.Bench(b, subjects[cuda.BFloat16], 1) }
