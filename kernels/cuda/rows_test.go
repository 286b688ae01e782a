//go:build cuda && cgo

package cuda_test

import (
	"math"
	"testing"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/cuda"
)

// The host does not look at indices that lie on the card. One out of range must reach no memory of others, and must not pass
// for a value.
func TestRowsThatAreNotThereAreNaN(t *testing.T) {
	dev := open(cuda.Float32)(t, 1)
	defer dev.Close()
	b := bench{dev: dev}
	index := dev.Alloc(kernels.Int32, 4)
	dev.Upload(index, []int32{2, -1, 3, 1 << 30})
	src, gathered, embedded := b.counting(3, 2), b.counting(4, 2), b.counting(1, 4, 2)
	dev.GatherRows(gathered, src, index)
	dev.EmbedTokens(embedded, index, src, dev.Alloc(kernels.Float32, 4, 2))
	for _, result := range []kernels.Tensor{gathered, embedded} {
		got := make([]float32, 8)
		if err := dev.Download(got, result); err != nil {
			t.Fatal(err)
		}
		if got[0] != 4 || got[1] != 5 {
			t.Errorf("row 2 is %v", got[:2])
		}
		for i, v := range got[2:] {
			if !math.IsNaN(float64(v)) {
				t.Errorf("value %d of a row that is not there is %v", i, v)
			}
		}
	}
	dst := b.counting(3, 2)
	dev.ScatterRows(dst, b.counting(4, 2), index)
	got := make([]float32, 6)
	if err := dev.Download(got, dst); err != nil {
		t.Fatal(err)
	}
	if want := [6]float32{0, 1, 2, 3, 4, 6}; [6]float32(got) != want {
		t.Errorf("scattered to %v, want %v", got, want)
	}
}

// counting returns 0, 1, 2 and so on.
func (b *bench) counting(shape ...int) kernels.Tensor {
	t := b.dev.Alloc(kernels.Float32, shape...)
	host := make([]float32, t.Len())
	for i := range host {
		host[i] = float32(i)
	}
	b.dev.Upload(t, host)
	return t
}
