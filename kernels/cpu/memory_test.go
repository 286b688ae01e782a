//go:build cgo

package cpu

import (
	"testing"

	"github.com/textground/textground/kernels"
)

func TestFreedBlocksServeTheirSizeAgain(t *testing.T) {
	d := openTest(t, 1, available()[0])
	x := d.Alloc(kernels.Float32, 1000)
	first := pointer(x)
	d.Free(x)
	if again := d.Alloc(kernels.Float32, 1000); pointer(again) != first {
		t.Error("a block of the same size was not used again")
	}
}

// A device that meets ever new sizes keeps no more than it once had in use.
func TestKeptMemoryIsBounded(t *testing.T) {
	d := openTest(t, 1, available()[0])
	for n := 1; n <= 2000; n++ {
		d.Free(d.Alloc(kernels.Float32, 100*n))
	}
	if d.keptBytes > d.most || d.most > 4*100*2000+64 {
		t.Errorf("%d bytes are kept, at most %d were in use", d.keptBytes, d.most)
	}
	if d.live != 0 {
		t.Errorf("%d bytes count as in use after everything was freed", d.live)
	}
}
