package kerneltest

import (
	"slices"
	"testing"

	"github.com/textground/textground/kernels"
)

// testStorage checks what every operation builds on.
func testStorage(t *testing.T, dev kernels.Device) {
	t.Run("fresh memory is zero, also after use", func(t *testing.T) {
		for range 2 {
			x := dev.Alloc(kernels.Float32, 3, 5)
			if got := floats(t, dev, x); slices.ContainsFunc(got, func(v float32) bool { return v != 0 }) {
				t.Errorf("fresh tensor holds %v", got)
			}
			dev.Upload(x, counting(15))
			dev.Free(x)
		}
	})
	t.Run("every type comes back", func(t *testing.T) {
		x := dev.Alloc(kernels.Uint64, 2)
		defer dev.Free(x)
		got := make([]uint64, 2)
		dev.Upload(x, []uint64{1 << 63, 7})
		if err := dev.Download(got, x); err != nil || got[0] != 1<<63 || got[1] != 7 {
			t.Errorf("got %v, %v", got, err)
		}
		y := dev.Alloc(kernels.Int32, 3)
		defer dev.Free(y)
		ints := make([]int32, 3)
		dev.Upload(y, []int32{-1, 0, 1 << 30})
		if err := dev.Download(ints, y); err != nil || !slices.Equal(ints, []int32{-1, 0, 1 << 30}) {
			t.Errorf("got %v, %v", ints, err)
		}
	})
	t.Run("strided rows are copied, zeroed and downloaded alone", func(t *testing.T) {
		x, y := dev.Alloc(kernels.Float32, 3, 5), dev.Alloc(kernels.Float32, 3, 2)
		defer dev.Free(x, y)
		dev.Upload(x, counting(15))
		dev.Copy(y, x.Columns(1, 3))
		if got := floats(t, dev, y); !slices.Equal(got, []float32{1, 2, 6, 7, 11, 12}) {
			t.Errorf("copied %v", got)
		}
		if got := floats(t, dev, x.Columns(1, 3)); !slices.Equal(got, []float32{1, 2, 6, 7, 11, 12}) {
			t.Errorf("downloaded %v", got)
		}
		dev.Zero(x.Columns(0, 4))
		if got := floats(t, dev, x); !slices.Equal(got, []float32{0, 0, 0, 0, 4, 0, 0, 0, 0, 9, 0, 0, 0, 0, 14}) {
			t.Errorf("zeroed %v", got)
		}
		dev.AddTo(x.Columns(3, 5), y)
		if got := floats(t, dev, x.Columns(3, 5)); !slices.Equal(got, []float32{1, 6, 6, 16, 11, 26}) {
			t.Errorf("added %v", got)
		}
	})
	t.Run("the peak counts what was held at one time", func(t *testing.T) {
		dev.ResetPeak()
		before := dev.Peak()
		for range 2 {
			x, y := dev.Alloc(kernels.Float32, 1000), dev.Alloc(kernels.Float64, 1000)
			dev.Free(x, y)
		}
		if grown := dev.Peak() - before; grown < 12000 || grown > 13000 {
			t.Errorf("two tensors of 12000 bytes together raised the peak by %d", grown)
		}
		dev.ResetPeak()
		if dev.Peak() != before {
			t.Errorf("peak is %d after everything was freed, before it was %d", dev.Peak(), before)
		}
	})
}

func floats(t *testing.T, dev kernels.Device, x kernels.Tensor) []float32 {
	t.Helper()
	host := make([]float32, x.Len())
	if err := dev.Download(host, x); err != nil {
		t.Fatal(err)
	}
	return host
}

func counting(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i)
	}
	return x
}
