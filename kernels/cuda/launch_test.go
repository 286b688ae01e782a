//go:build cuda && cgo

package cuda

import (
	"testing"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/textground/textground/kernels"
)

// BenchmarkLaunch compares what a launch of an empty kernel costs: on the tape, and through gorgonia.org/cu.
func BenchmarkLaunch(b *testing.B) {
	d := openTest(b, BFloat16)
	x := d.Alloc(kernels.Float32, 0)
	b.Run("tape", func(b *testing.B) {
		for b.Loop() {
			d.AddTo(x, x)
		}
		if err := d.Sync(); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("cu", func(b *testing.B) {
		function := *(*cu.Function)(unsafe.Pointer(&d.functions[addTo.index]))
		// cu copies 8 bytes of each argument, one after the other: six of them are the one struct tg_addto, all zeros.
		arguments := make([]unsafe.Pointer, 6)
		for i := range arguments {
			arguments[i] = unsafe.Pointer(new(uint64))
		}
		err := d.engine.do(func() error {
			for b.Loop() {
				if err := function.Launch(1, 1, 1, 256, 1, 1, 0, d.engine.stream, arguments); err != nil {
					return err
				}
			}
			return d.engine.stream.Synchronize()
		})
		if err != nil {
			b.Fatal(err)
		}
	})
}
