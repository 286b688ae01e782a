//go:build cuda && cgo

package cuda

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/textground/textground/kernels"
)

// openTest opens card 0 of the driver that TEXTGROUND_CUDA_DRIVER names: the emulator's, or a real one.
func openTest(t testing.TB, precision Precision) *device {
	t.Helper()
	if os.Getenv("TEXTGROUND_CUDA_DRIVER") == "" {
		t.Skip("TEXTGROUND_CUDA_DRIVER names no driver: make test-cuda builds the emulator's")
	}
	d, err := open(0, precision)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func download(t *testing.T, d *device, x kernels.Tensor) []float32 {
	t.Helper()
	host := make([]float32, x.Len())
	if err := d.Download(host, x); err != nil {
		t.Fatal(err)
	}
	return host
}

// counting returns 0, 1, 2, ...
func counting(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i)
	}
	return x
}

func TestTheNameTellsCardAndPrecision(t *testing.T) {
	d := openTest(t, Float32)
	if !strings.HasPrefix(d.Name(), "cuda-sm") || !strings.HasSuffix(d.Name(), "-float32") {
		t.Error(d.Name())
	}
}

func TestLaunchesHappenInOrder(t *testing.T) {
	d := openTest(t, BFloat16)
	x, y := d.Alloc(kernels.Float32, 7, 5), d.Alloc(kernels.Float32, 7, 5)
	d.Upload(x, counting(35))
	for range 10 { // 1023 + 1 times
		d.Copy(y, x)
		d.AddTo(x, y)
	}
	for i, v := range download(t, d, x) {
		if v != float32(i)*1024 {
			t.Fatalf("element %d is %v, want %v", i, v, float32(i)*1024)
		}
	}
}

// More than a tape holds, and more than the staging ring holds.
func TestUploadsOfAnySizeArrive(t *testing.T) {
	d := openTest(t, BFloat16)
	for _, n := range []int{1, 1000, slotBytes/4 + 3} {
		x := d.Alloc(kernels.Float32, n)
		want := counting(n)
		for range 2 {
			d.Upload(x, make([]float32, n))
			d.Upload(x, want)
		}
		clear(want[:n/2]) // the slice is free again
		got := download(t, d, x)
		for i := n / 2; i < n; i++ {
			if got[i] != float32(i) {
				t.Fatalf("of %d elements number %d is %v", n, i, got[i])
			}
		}
		if n > 2 && got[n/2-1] != float32(n/2-1) {
			t.Fatalf("the upload saw what was written after it: %v", got[n/2-1])
		}
		d.Free(x)
	}
	x := d.Alloc(kernels.Float32, 3)
	for i := range 3000 {
		d.Upload(x, []float32{float32(i), 2, 3})
	}
	if got := download(t, d, x); !slices.Equal(got, []float32{2999, 2, 3}) {
		t.Error(got)
	}
}

func TestStridedRowsAreUploadedAlone(t *testing.T) {
	d := openTest(t, BFloat16)
	x := d.Alloc(kernels.Float32, 3, 4)
	d.Upload(x.Columns(1, 3), []float32{1, 2, 3, 4, 5, 6})
	if got := download(t, d, x); !slices.Equal(got, []float32{0, 1, 2, 0, 0, 3, 4, 0, 0, 5, 6, 0}) {
		t.Error(got)
	}
}

func TestAPlannedDeviceAsksTheDriverForNothing(t *testing.T) {
	d := openTest(t, BFloat16)
	work := func(dev kernels.Device) error {
		x, y := dev.Alloc(kernels.Float32, 100_000), dev.Alloc(kernels.Float64, 3)
		dev.Free(x)
		z := dev.Alloc(kernels.Float32, 30_000)
		dev.AddTo(z, z)
		dev.Free(y, z)
		return dev.Sync()
	}
	need, err := d.Plan(work)
	if err != nil {
		t.Fatal(err)
	}
	if need < 400_000 || need > 410_000 {
		t.Errorf("the plan is %d bytes", need)
	}
	if err := d.Reserve(need); err != nil {
		t.Fatal(err)
	}
	if err := work(d); err != nil {
		t.Fatal(err)
	}
	if len(d.arena.owned) != 1 || d.arena.owned[0].bytes != need {
		t.Errorf("the arena is %v", d.arena.owned)
	}
}

func TestClosingEndsTheCardsGoroutine(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	t.Run("open and close", func(t *testing.T) { openTest(t, BFloat16).Alloc(kernels.Float32, 10) })
	goleak.VerifyNone(t, leaks)
}

func TestStridedRowsOfWideElementsAreCopiedAndClearedAlone(t *testing.T) {
	d := openTest(t, BFloat16)
	x, y := d.Alloc(kernels.Float64, 2, 4), d.Alloc(kernels.Float64, 2, 2)
	d.Upload(x, []float64{1, 2, 3, 4, 5, 6, 7, 8})
	d.Copy(y, x.Columns(1, 3))
	d.Zero(x.Columns(2, 4))
	copied, cleared := make([]float64, 4), make([]float64, 8)
	if err := errors.Join(d.Download(copied, y), d.Download(cleared, x)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(copied, []float64{2, 3, 6, 7}) || !slices.Equal(cleared, []float64{1, 2, 0, 0, 5, 6, 0, 0}) {
		t.Errorf("copied %v, cleared %v", copied, cleared)
	}
}
