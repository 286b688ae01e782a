//go:build cuda && cgo

package emu

import (
	"fmt"
	"math"
	"regexp"
	"testing"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/textground/textground/kernels/cuda/driver"
)

// hopperGEMM is tg_hopper_gemm of testdata/hoppergemm.h.
type hopperGEMM struct {
	a, b           [16]uint64
	c              cu.DevicePtr
	m, n, k, fault int32
	_              [40]byte
}

const hopperShared = 3*2*128*64*2 + 6*8

// bfloat16s uploads values rounded to bfloat16, and returns the rounded ones.
func (r *rig) bfloat16s(rows, cols int, f func(i, j int) float32) (cu.DevicePtr, []float32) {
	packed, plain := make([]float32, rows*cols/2), make([]float32, rows*cols)
	halves := unsafe.Slice((*uint16)(unsafe.Pointer(&packed[0])), rows*cols)
	for i := range plain {
		plain[i] = rounded(f(i/cols, i%cols))
		halves[i] = uint16(math.Float32bits(plain[i]) >> 16)
	}
	return r.upload(packed), plain
}

// operand uploads an operand of so many rows over k, stored along k or across it, and returns its tensor map.
func (r *rig) operand(rows, k int, across bool) (encoded [16]uint64, at func(row, k int) float32) {
	value := func(i, j int) float32 { return float32(math.Sin(float64(i*31+j*7)*0.37)) * 2 }
	stored, width, box := rows, k, []uint32{64, 128}
	if across {
		stored, width, box = k, rows, []uint32{64, 64}
	}
	p, plain := r.bfloat16s(stored, width, value)
	m := driver.TensorMap{Base: uint64(p), Sizes: []uint64{uint64(width), uint64(stored)}, Strides: []uint64{uint64(2 * width)}, Box: box, Swizzle: true}
	r.check(m.Encode(unsafe.Pointer(&encoded[0])))
	if across {
		return encoded, func(row, k int) float32 { return plain[k*width+row] }
	}
	return encoded, func(row, k int) float32 { return plain[row*width+k] }
}

// A warp-specialised product with bulk copies, counting barriers and warpgroup products is right at any seed, in all layouts,
// where tiles end outside the operands too.
func TestHopperProduct(t *testing.T) {
	for _, c := range []struct {
		kernel           string
		aAcross, bAcross bool
		m, n, k          int
	}{
		{"hopper_gemm_nt", false, false, 128, 128, 64},
		{"hopper_gemm_nt", false, false, 200, 136, 328},
		{"hopper_gemm_tn", true, true, 200, 136, 328},
		{"hopper_gemm_nn", false, true, 72, 264, 200},
	} {
		for seed := range 3 {
			t.Run(fmt.Sprint(c.kernel, c.m, c.n, c.k, seed), func(t *testing.T) {
				r := newRig(t, fmt.Sprint("TG_EMU_SEED=", seed))
				args := hopperGEMM{c: r.alloc(c.m * c.n), m: int32(c.m), n: int32(c.n), k: int32(c.k)}
				var a, b func(row, k int) float32
				args.a, a = r.operand(c.m, c.k, c.aAcross)
				args.b, b = r.operand(c.n, c.k, c.bAcross)
				launchGrid(r, c.kernel, [3]uint32{uint32(c.n+127) / 128, uint32(c.m+127) / 128, 1}, 384, hopperShared, args)
				got := r.download(args.c, c.m*c.n)
				if r.err != nil {
					t.Fatal(r.err)
				}
				for i := range c.m {
					for j := range c.n {
						var want float64
						for k := range c.k {
							want += float64(a(i, k)) * float64(b(j, k))
						}
						if math.Abs(float64(got[i*c.n+j])-want) > 1e-3 {
							t.Fatalf("element %d, %d is %v, want %v", i, j, got[i*c.n+j], want)
						}
					}
				}
			})
		}
	}
}

// The mistakes that pipelines invite: each is a failure that says what is waited for, or shows in the result.
func TestFindsMistakesInPipelines(t *testing.T) {
	for fault, says := range []string{
		1: "", // consumers do not wait for the copies
		2: `the mbarrier has had all 1 arrivals of its phase`,
		3: "", // tiles are given back before the products have read them
		4: `ends before it has waited for its wgmma`,
		5: `no thread can go on: .*threads 128-383 wait in mbarrier_wait \(hoppergemm.cu:\d+\) for the barrier at byte \d+, phase 0, which lacks 0 of 1 arrivals and 16 bytes`,
		6: `the mbarrier has not begun, or was overwritten`,
	} {
		if fault == 0 {
			continue
		}
		t.Run(fmt.Sprint(fault), func(t *testing.T) {
			r := newRig(t)
			const m, n, k = 128, 128, 512
			args := hopperGEMM{c: r.alloc(m * n), m: m, n: n, k: k, fault: int32(fault)}
			var a, b func(row, k int) float32
			args.a, a = r.operand(m, k, false)
			args.b, b = r.operand(n, k, false)
			var got []float32
			message := heard(t, func() {
				launchGrid(r, "hopper_gemm_nt", [3]uint32{1, 1, 1}, 384, hopperShared, args)
				r.check(r.stream.Synchronize())
				got = r.download(args.c, m*n)
			})
			if r.err == nil {
				wrong := 0
				for i := range m {
					var want float64
					for k := range k {
						want += float64(a(i, k)) * float64(b(i, k))
					}
					if !(math.Abs(float64(got[i*n+i])-want) < 1e-3) {
						wrong++
					}
				}
				if wrong == 0 || says != "" {
					t.Errorf("%d of %d sums are wrong, want %q", wrong, m, says)
				}
			} else if !regexp.MustCompile(says).MatchString(message) {
				t.Errorf("the emulator says %q, want %s", message, says)
			}
			t.Log(message)
		})
	}
}

// Hopper's engines are refused on an older card.
func TestHopperNeedsHopper(t *testing.T) {
	r := newRig(t, "TG_EMU_SM=80")
	args := hopperGEMM{c: r.alloc(128 * 128), m: 128, n: 128, k: 64}
	args.a, _ = r.operand(128, 64, false)
	args.b, _ = r.operand(128, 64, false)
	message := heard(t, func() {
		launchGrid(r, "hopper_gemm_nt", [3]uint32{1, 1, 1}, 384, hopperShared, args)
		r.check(r.stream.Synchronize())
	})
	if r.err != cu.LaunchFailed || !regexp.MustCompile(`compute capability 8\.0`).MatchString(message) {
		t.Errorf("got %v and %q", r.err, message)
	}
}
