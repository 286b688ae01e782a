//go:build cuda && cgo

package emu

import (
	"errors"
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
	if !errors.Is(r.err, cu.LaunchFailed) || !regexp.MustCompile(`compute capability 8\.0`).MatchString(message) {
		t.Errorf("got %v and %q", r.err, message)
	}
}

// boxes is tg_boxes of testdata/boxes.h.
type boxes struct {
	src, dst                   [16]uint64
	x, y, z, w, bytes, mistake int32
	_                          [40]byte
}

// A bulk copy moves the box wherever it lies, with zeros where it is outside the tensor, and a copy back leaves out what is
// outside; swizzled or not. This is how a convolution reads the pixels around its window.
func TestBoxesReachOutsideTheTensor(t *testing.T) {
	size, box, target := [4]int{24, 5, 6, 3}, [4]int{16, 4, 3, 2}, [4]int{12, 4, 3, 2}
	for _, swizzle := range []bool{false, true} {
		for _, at := range [][4]int{{0, 0, 0, 0}, {8, 1, 3, 1}, {-4, -1, -2, -1}, {20, 3, 5, 2}, {40, 0, 0, 0}, {0, -4, 0, 0}} {
			r := newRig(t)
			args, src, dst := r.boxes(size, box, target, at, swizzle)
			launch(r, "boxes", 1, 32, int(args.bytes)+8, args)
			got := r.download(dst, 12*4*3*2)
			if r.err != nil {
				t.Fatal(r.err)
			}
			for i := range got {
				var place, outside, index = [4]int{i % 12, i / 12 % 4, i / 48 % 3, i / 144}, false, 0
				for d := 3; d >= 0; d-- {
					c := at[d] + place[d]
					outside = outside || c < 0 || c >= size[d]
					index = index*size[d] + c
				}
				want := float32(0)
				if !outside {
					want = 2 * src[index]
				}
				if got[i] != want {
					t.Fatalf("swizzle %v, box at %v: element %v is %v, want %v", swizzle, at, place, got[i], want)
				}
			}
		}
	}
}

// boxes makes a source full of a ramp, a target and the arguments of the kernel.
func (r *rig) boxes(size, box, target, at [4]int, swizzle bool) (args boxes, src []float32, dst cu.DevicePtr) {
	src = ramp(size[0] * size[1] * size[2] * size[3])
	dst = r.alloc(target[0] * target[1] * target[2] * target[3])
	args = boxes{x: int32(at[0]), y: int32(at[1]), z: int32(at[2]), w: int32(at[3]), bytes: int32(4 * box[0] * box[1] * box[2] * box[3])}
	encode := func(p cu.DevicePtr, size [4]int, to *[16]uint64) {
		m := driver.TensorMap{Base: uint64(p), Float32: true, Swizzle: swizzle}
		stride := 4
		for d := range size {
			m.Sizes, m.Box = append(m.Sizes, uint64(size[d])), append(m.Box, uint32(box[d]))
			stride *= size[d]
			if d < 3 {
				m.Strides = append(m.Strides, uint64(stride))
			}
		}
		r.check(m.Encode(unsafe.Pointer(to)))
	}
	encode(r.upload(src), size, &args.src)
	encode(dst, target, &args.dst)
	return args, src, dst
}

// A copy back that is not fenced or not waited for is a mistake; what it reads is what is there when it is waited for.
func TestFindsMistakesOfStores(t *testing.T) {
	for mistake, says := range []string{
		1: `tma_store, and no thread of the block has called async_fence`,
		2: `thread 0 ends before it has waited for its tma_store`,
		3: ``,
	} {
		if mistake == 0 {
			continue
		}
		t.Run(fmt.Sprint(mistake), func(t *testing.T) {
			r := newRig(t)
			box := [4]int{16, 4, 3, 2}
			args, _, dst := r.boxes(box, box, box, [4]int{}, false)
			args.mistake = int32(mistake)
			var got []float32
			message := heard(t, func() {
				launch(r, "boxes", 1, 32, int(args.bytes)+8, args)
				r.check(r.stream.Synchronize())
				got = r.download(dst, 8)
			})
			if says == "" && (r.err != nil || got[0] != 0 || got[1] != 4) || says != "" && !regexp.MustCompile(says).MatchString(message) {
				t.Errorf("mistake %d: %v, %v, %q", mistake, got, r.err, message)
			}
		})
	}
}
