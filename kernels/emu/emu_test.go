//go:build cuda && cgo

package emu

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/textground/textground/kernels/cuda/driver"
)

// Each planted mistake fails its launch with a message that names the kernel, the place and the threads; the process and
// later contexts live on.
func TestFindsPlantedMistakes(t *testing.T) {
	for _, c := range []struct {
		kernel          string
		threads, shared int
		n               int64
		says            string
	}{
		{"reads_outside", 256, 0, 0, `block \(3,0,0\), thread 255 \(faults.cu:\d+\): illegal address .* 0 bytes after the end of the allocation of 4096 bytes`},
		{"writes_outside", 256, 0, 0, `block \(3,0,0\), thread \d+ .* bytes after the end of the allocation of 4096 bytes`},
		{"writes_outside_shared", 64, 256, 0, `written outside its 256 bytes of dynamic shared memory, at byte 256`},
		{"some_leave", 128, 0, 0, `divergent barrier: threads 96-127 have ended; threads 0-95 wait in __syncthreads \(faults.cu:\d+\)`},
		{"two_barriers", 128, 0, 0, `divergent barrier: others wait in the __syncthreads of faults.cu:\d+`},
		{"divergent_shuffle", 64, 0, 0, `divergent warp: thread \d+ is in __shfl_xor_sync \(faults.cu:\d+\) while others`},
		{"missing_lanes", 64, 0, 0, `no thread can go on: threads (0-31,)?40 have ended; .*wait in __shfl_xor_sync \(faults.cu:\d+\)`},
		{"divides", 32, 0, 7, `thread 7 .*: integer division by zero`},
		{"recurses", 32, 0, 1000, `its stack of 60 KiB is full`},
		{"misaligned_rows", 32, 0, 0, `ldmatrix: lane 1's row 0x[0-9a-f]+ is not at a multiple of 16 bytes`},
		{"global_rows", 32, 0, 0, `ldmatrix: lane 0's row 0x[0-9a-f]+ is not in shared memory`},
	} {
		t.Run(c.kernel, func(t *testing.T) {
			r := newRig(t)
			src, dst := r.upload(ramp(1024)), r.alloc(1024)
			message := heard(t, func() {
				launch(r, c.kernel, 1024/256, c.threads, c.shared, faults{dst, src, c.n})
				r.check(r.stream.Synchronize())
			})
			if !errors.Is(r.err, cu.LaunchFailed) {
				t.Errorf("got the error %v, want %v", r.err, cu.LaunchFailed)
			}
			if !regexp.MustCompile(`^emulator: kernel ` + c.kernel + `, .*` + c.says + `.* \(TG_EMU_SEED=1\)\n$`).MatchString(message) {
				t.Errorf("the emulator says %q, want %s", message, c.says)
			}
			if _, err := cu.MemAlloc(4); !errors.Is(err, cu.LaunchFailed) {
				t.Errorf("a call after the failure returns %v, want the failure again", err)
			}
		})
	}
}

// A kernel with its barriers gives the same result under every order of warps; one without is wrong under most.
func TestOrderOfWarpsShowsMissingBarriers(t *testing.T) {
	src := ramp(1024)
	reversed := make([]float32, 1024)
	sums := make([]float32, 4)
	for i := range src {
		reversed[i] = src[i/256*256+255-i%256]
		sums[i/256] += 3 * src[i]
	}
	const seeds = 20
	for _, c := range []struct {
		kernel string
		want   []float32
		right  bool
	}{{"reverse_right", reversed, true}, {"reverse_unsynchronised", reversed, false}, {"sums_right", sums, true}, {"sums_unsynchronised", sums, false}} {
		t.Run(c.kernel, func(t *testing.T) {
			wrong := 0
			for seed := range seeds {
				r := newRig(t, fmt.Sprint("TG_EMU_SEED=", seed))
				dst := r.alloc(1024)
				launch(r, c.kernel, 4, 256, 0, faults{dst, r.upload(src), 1024})
				if got := r.download(dst, len(c.want)); !slices.Equal(got, c.want) {
					wrong++
				}
				if r.err != nil {
					t.Fatal(r.err)
				}
			}
			if c.right && wrong > 0 || !c.right && wrong < seeds/2 {
				t.Errorf("wrong under %d of %d seeds", wrong, seeds)
			}
		})
	}
}

// Nobody has written it, so it is NaN: fresh device memory, the shared memory of a block, the rest of a buffer.
func TestUnwrittenMemoryIsNaN(t *testing.T) {
	r := newRig(t)
	fresh := r.alloc(1 << 20)
	for i, v := range r.download(fresh, 1<<20) {
		if !math.IsNaN(float64(v)) {
			t.Fatalf("fresh memory has %v at %d", v, i)
		}
	}
	dst := r.alloc(64)
	for round := range 3 {
		launch(r, "unwritten_shared", 1, 64, 0, faults{dst, r.upload(ramp(1024)), 0})
		for i, v := range r.download(dst, 64) {
			if math.IsNaN(float64(v)) != (i == 63-7) {
				t.Errorf("launch %d: element %d is %v", round, i, v)
			}
		}
	}
	if r.err != nil {
		t.Error(r.err)
	}
}

// A copy from pinned memory reads it late, and one to pinned memory writes it late: buffers used again too early show.
func TestAsynchronousCopiesAreLate(t *testing.T) {
	r := newRig(t)
	staging, dst := r.pinned(256), r.alloc(256)
	copy(staging, ramp(256))
	r.check(cu.MemcpyHtoDAsync(dst, unsafe.Pointer(&staging[0]), 1024, r.stream))
	clear(staging) // before the copy is done: a mistake
	if got := r.download(dst, 256); got[9] != 0 {
		t.Errorf("the device has %v: it read pinned memory at once", got[9])
	}
	src, back := r.upload(ramp(256)), r.pinned(256)
	r.check(cu.MemcpyDtoHAsync(unsafe.Pointer(&back[0]), src, 1024, r.stream))
	if !math.IsNaN(float64(back[9])) {
		t.Errorf("the host has %v before it has waited, want NaN", back[9])
	}
	r.check(r.stream.Synchronize())
	if back[9] != 10 {
		t.Errorf("the host has %v after it has waited, want 10", back[9])
	}
	ordinary := ramp(256)
	r.check(cu.MemcpyHtoDAsync(dst, unsafe.Pointer(&ordinary[0]), 1024, r.stream))
	clear(ordinary) // ordinary memory is copied at the call
	if got := r.download(dst, 256); got[9] != 10 {
		t.Errorf("the device has %v of ordinary memory, want 10", got[9])
	}
	if r.err != nil {
		t.Error(r.err)
	}
}

// Work of two streams is ordered by events alone.
func TestStreamsNeedEvents(t *testing.T) {
	for _, waits := range []bool{false, true} {
		r := newRig(t)
		other, err := cu.MakeStream(cu.NonBlocking)
		r.check(err)
		done, err := cu.MakeEvent(cu.DefaultEvent)
		r.check(err)
		src, between, dst := r.upload(ramp(256)), r.alloc(256), r.alloc(256)
		launch(r, "copies", 1, 256, 0, faults{between, src, 256})
		r.check(done.Record(r.stream))
		if waits {
			r.check(other.Wait(done, 0))
		}
		r.stream, other = other, r.stream
		launch(r, "copies", 1, 256, 0, faults{dst, between, 256})
		if got := r.download(dst, 256); (got[9] == 10) != waits {
			t.Errorf("waits: %v, and the copy is %v", waits, got[9])
		}
		r.check(other.Synchronize())
		if r.err != nil {
			t.Error(r.err)
		}
	}
}

// The launch of something that is no kernel as it was compiled is refused, and the context lives on.
func TestRefusesLaunches(t *testing.T) {
	r := newRig(t, "TG_EMU_SM=80")
	dst, src := r.alloc(256), r.upload(ramp(256))
	refused := func(what string, want error, f func()) {
		t.Helper()
		r.err = nil
		message := heard(t, f)
		if !errors.Is(r.err, want) || message == "" {
			t.Errorf("%s: got %v and %q", what, r.err, message)
		}
	}
	args := faults{dst, src, 256}
	invalid := driver.Result(1)
	refused("another block", invalid, func() { launch(r, "copies", 1, 128, 0, args) })
	refused("no block", invalid, func() { launch(r, "copies", 0, 256, 0, args) })
	refused("too much shared memory", invalid, func() { launch(r, "copies", 1, 256, 164<<10, args) })
	refused("copy past the end", cu.InvalidValue, func() { r.check(cu.MemcpyDtoH(unsafe.Pointer(&make([]float32, 512)[0]), dst, 2048)) })
	if _, err := r.module.Function("unheard_of"); !errors.Is(err, cu.NotFound) {
		t.Errorf("an unknown kernel: %v", err)
	}
	r.err = nil
	launch(r, "copies", 1, 256, 163<<10, args)
	if got := r.download(dst, 256); r.err != nil || got[9] != 10 {
		t.Errorf("after the refusals: %v, %v", got[9], r.err)
	}
}

// A device can fail after so many launches, and is as small as the environment says.
func TestFailsWhenToldTo(t *testing.T) {
	r := newRig(t, "TG_EMU_FAIL_AFTER=2", "TG_EMU_MEMORY=4096")
	dst := r.alloc(512)
	src := r.upload(ramp(512))
	if _, err := cu.MemAlloc(4); !errors.Is(err, cu.OutOfMemory) {
		t.Errorf("a byte too many: %v", err)
	}
	message := heard(t, func() {
		for range 3 {
			launch(r, "copies", 1, 256, 0, faults{dst, src, 512})
		}
		r.check(r.stream.Synchronize())
	})
	if !errors.Is(r.err, cu.LaunchFailed) || !regexp.MustCompile("TG_EMU_FAIL_AFTER").MatchString(message) {
		t.Errorf("got %v and %q", r.err, message)
	}
}

// The fragment words compute what the PTX manual says: rounded to nearest even, products exact, float32 sums.
func TestFragments(t *testing.T) {
	r := newRig(t)
	src := make([]float32, 256+128)
	for i := range src {
		src[i] = float32(math.Sin(float64(i)*1.7)) * 3
	}
	dst := r.alloc(128)
	launch(r, "fragments", 1, 32, 0, faults{dst, r.upload(src), 0})
	got := r.download(dst, 128)
	if r.err != nil {
		t.Fatal(r.err)
	}
	for i := range 16 {
		for j := range 8 {
			var want float32
			for k := range 16 {
				want += rounded(src[i*16+k]) * rounded(src[256+k*8+j])
			}
			if got[i*8+j] != want {
				t.Fatalf("element %d, %d is %v, want %v", i, j, got[i*8+j], want)
			}
		}
	}
}

func rounded(v float32) float32 {
	bits := math.Float32bits(v)
	return math.Float32frombits((bits + 0x7fff + bits>>16&1) &^ 0xffff)
}

// Several devices of one process work at once, each from a thread of its own.
func TestDevicesWorkAtOnce(t *testing.T) {
	newRig(t, "TG_EMU_DEVICES=3")
	var group sync.WaitGroup
	for card := range 3 {
		group.Go(func() {
			r := newRigOn(t, card)
			dst, src := r.alloc(1024), r.upload(ramp(1024))
			for range 20 {
				launch(r, "reverse_right", 4, 256, 0, faults{dst, src, 1024})
			}
			if got := r.download(dst, 1024); r.err != nil || got[0] != 256 {
				t.Errorf("card %d: %v, %v", card, got[0], r.err)
			}
		})
	}
	group.Wait()
}

// Every access judged, a missing barrier is found under any seed, with the line of the kernel and the other thread.
func TestRacesAreNamed(t *testing.T) {
	if check != "races" {
		t.Skip("make test-cuda-races runs it")
	}
	for kernel, says := range map[string]string{
		"reverse_unsynchronised": `\(faults.cu:\d+\): (race: it (reads|writes) shared memory that .* (wrote|read), with no barrier between|it reads shared memory that no thread of the block has written)`,
		"sums_unsynchronised":    `\(faults.cu:\d+\): race: it (reads|writes) shared memory that .* (wrote|read), with no barrier between`,
		"unwritten_shared":       `\(faults.cu:\d+\): it reads shared memory that no thread of the block has written`,
		"blocks_collide":         `\(faults.cu:\d+\): race: it writes global memory that block number \d of the launch wrote`,
		"threads_collide":        `\(faults.cu:\d+\): race: it (reads|writes) global memory that thread \d+ (wrote|read), with no barrier`,
		"reverse_right":          ``,
		"sums_right":             ``,
	} {
		for seed := range 10 {
			t.Run(fmt.Sprint(kernel, seed), func(t *testing.T) {
				r := newRig(t, fmt.Sprint("TG_EMU_SEED=", seed))
				threads := 256
				if !strings.Contains(kernel, "reverse") && !strings.Contains(kernel, "sums") {
					threads = 64
				}
				message := heard(t, func() {
					launch(r, kernel, 4, threads, 0, faults{r.alloc(1024), r.upload(ramp(1024)), 1024})
					r.check(r.stream.Synchronize())
				})
				if (r.err != nil) != (says != "") || !regexp.MustCompile(says).MatchString(message) {
					t.Errorf("got %v and %q, want %s", r.err, message, says)
				}
			})
		}
	}
}

// With AddressSanitizer, one element past a static shared array ends the process with the line of the kernel.
func TestSanitizerSeesTheEndOfSharedArrays(t *testing.T) {
	if check != "asan" {
		t.Skip("make test-cuda-asan runs it")
	}
	const child = "TG_EMU_TEST_CHILD"
	if os.Getenv(child) == "" {
		again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		again.Env = append(os.Environ(), child+"=1")
		out, err := again.CombinedOutput()
		if err == nil || !regexp.MustCompile(`(?s)global-buffer-overflow.*READ of size 4.*faults.cu:\d+.*0 bytes to the right of global variable 'tile'`).Match(out) {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	r := newRig(t)
	launch(r, "reads_outside_static", 1, 64, 0, faults{r.alloc(64), r.upload(ramp(64)), 1})
	r.check(r.stream.Synchronize())
}
