//go:build cuda && cgo

package emu

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/textground/textground/kernels/cuda/driver"
)

// TestMain builds a library of the kernels in testdata and makes it this process's driver.
func TestMain(m *testing.M) {
	if _, err := exec.LookPath("g++"); err != nil {
		fmt.Println("no g++: nothing can be emulated")
		return
	}
	library, err := filepath.Abs("../../build/emu/libtest.so")
	if err != nil {
		panic(err)
	}
	arguments := []string{library}
	if check != "" {
		arguments = []string{strings.TrimSuffix(library, ".so") + "-" + check + ".so", check}
	}
	sources, _ := filepath.Glob("testdata/*.cu")
	build := exec.Command("./build.sh", append(arguments, sources...)...)
	build.Env = append(os.Environ(), "LD_PRELOAD=") // the compiler needs no sanitizer
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Printf("%s%v\n", out, err)
		os.Exit(1)
	}
	os.Setenv("TEXTGROUND_CUDA_DRIVER", arguments[0])
	os.Exit(m.Run())
}

// check is the build that this process tests: asan or races, or the ordinary one. See the Makefile's test-cuda-asan.
var check = os.Getenv("TG_EMU_CHECK")

// rig is one context on the emulated card, with a stream.
type rig struct {
	t      *testing.T
	module cu.Module
	stream cu.Stream
	err    error // the first of the driver
}

// newRig makes a context under the given environment, NAME=value, on the test's own thread.
func newRig(t *testing.T, environment ...string) *rig {
	t.Helper()
	for _, e := range environment {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	if _, err := driver.Open(); err != nil {
		t.Fatal(err)
	}
	return newRigOn(t, 0)
}

// newRigOn makes a context on one of several cards. A context is current on a thread, which is the caller's from now on.
func newRigOn(t *testing.T, card int) *rig {
	runtime.LockOSThread()
	r := &rig{t: t}
	device, err := cu.GetDevice(card)
	r.check(err)
	context, err := device.RetainPrimaryCtx()
	r.check(err)
	t.Cleanup(func() { device.ReleasePrimaryCtx() })
	r.check(cu.SetCurrentContext(context))
	r.module, err = cu.LoadData("kernels")
	r.check(err)
	r.stream, err = cu.MakeStream(cu.NonBlocking)
	r.check(err)
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r
}

func (r *rig) check(err error) {
	if r.err == nil {
		r.err = err
	}
}

// alloc returns fresh memory for n floats.
func (r *rig) alloc(n int) cu.DevicePtr {
	p, err := cu.MemAlloc(int64(4 * n))
	r.check(err)
	return p
}

func (r *rig) upload(v []float32) cu.DevicePtr {
	p := r.alloc(len(v))
	r.check(cu.MemcpyHtoD(p, unsafe.Pointer(&v[0]), int64(4*len(v))))
	return p
}

// download waits for the stream and returns n floats.
func (r *rig) download(p cu.DevicePtr, n int) []float32 {
	v := make([]float32, n)
	r.check(r.stream.Synchronize())
	r.check(cu.MemcpyDtoH(unsafe.Pointer(&v[0]), p, int64(4*n)))
	return v
}

// faults is tg_faults of testdata/faults.h.
type faults struct {
	dst, src cu.DevicePtr
	n        int64
}

// launch enqueues a kernel of testdata.
func launch[A any](r *rig, name string, blocks, threads, shared int, arguments A) {
	launchGrid(r, name, [3]uint32{uint32(blocks), 1, 1}, threads, shared, arguments)
}

func launchGrid[A any](r *rig, name string, blocks [3]uint32, threads, shared int, arguments A) {
	f, err := r.module.Function(name)
	r.check(err)
	tape := driver.NewTape(4096)
	defer tape.Close()
	function := uint64(*(*uintptr)(unsafe.Pointer(&f)))
	if shared > 48<<10 {
		tape.Allow(function, uint32(shared))
	}
	tape.Launch(function, blocks, uint32(threads), uint32(shared), unsafe.Pointer(&arguments), int(unsafe.Sizeof(arguments)))
	if failure := tape.Replay(uint64(*(*uintptr)(unsafe.Pointer(&r.stream)))); failure != nil {
		r.check(failure.Result)
	}
}

// heard runs f and returns what the emulator wrote to the standard error meanwhile.
func heard(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	saved, err := syscall.Dup(2)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Dup3(int(file.Fd()), 2, 0)
	f()
	syscall.Dup3(saved, 2, 0)
	syscall.Close(saved)
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pinned returns n floats of memory that the device copies to and from by itself.
func (r *rig) pinned(n int) []float32 {
	p, err := driver.Pinned(4 * n)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { cu.MemFreeHost(p) })
	return unsafe.Slice((*float32)(p), n)
}

// ramp is 1, 2, 3 and so on.
func ramp(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i + 1)
	}
	return v
}
