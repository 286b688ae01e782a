//go:build cuda && cgo

package driver

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"gorgonia.org/cu"
)

// inChildWith opens a driver of the test's own, compiled with flags.
func inChildWith(t *testing.T, flags ...string) (output string) {
	t.Helper()
	return inChild(t, func() string { return build(t, flags...) }, printOpen)
}

func build(t *testing.T, flags ...string) string {
	t.Helper()
	library := filepath.Join(t.TempDir(), "libcuda.so")
	arguments := slices.Concat([]string{"-shared", "-fPIC", "-o", library}, flags, []string{"testdata/functions.c", "testdata/special.c"})
	if out, err := exec.Command("gcc", arguments...).CombinedOutput(); err != nil {
		t.Fatalf("gcc %v: %v\n%s", arguments, err, out)
	}
	return library
}

// A process has one driver, so every promise about opening one is a process of its own: the test that runs it again.
func inChild(t *testing.T, library func() string, check func()) (output string) {
	t.Helper()
	if os.Getenv("TEXTGROUND_TEST_CHILD") == t.Name() {
		check()
		os.Exit(0)
	}
	c := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	c.Env = append(os.Environ(), "TEXTGROUND_TEST_CHILD="+t.Name(), "TEXTGROUND_CUDA_DRIVER="+library())
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func printOpen() {
	l, err := Open()
	os.Stdout.WriteString(strings.Join(l.Missing, ",") + "\n")
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
	}
}

func TestWithoutADriverNothingIsCalledAndCuLives(t *testing.T) {
	got := inChild(t, func() string { return "/nowhere/libcuda.so.1" }, func() {
		if _, err := cu.NumDevices(); err == nil || !strings.Contains(err.Error(), "NotInitialized") {
			os.Stdout.WriteString("a call before Open: " + err.Error() + "\n")
		}
		printOpen()
	})
	if !strings.Contains(got, "no NVIDIA driver: /nowhere/libcuda.so.1: cannot open shared object file") || strings.Contains(got, "before Open") {
		t.Error(got)
	}
}

func TestADriverThatIsTooOldIsNamedWithTheOneNeeded(t *testing.T) {
	got := inChildWith(t, "-DVERSION=12040")
	if !strings.Contains(got, "the NVIDIA driver is for CUDA 12.4: the kernels need CUDA 13.0, that is driver 580 or newer") {
		t.Error(got)
	}
}

func TestADriverWithoutADeviceSaysSo(t *testing.T) {
	got := inChildWith(t, "-DVERSION=13000", "-DSTART=100")
	if !strings.Contains(got, "CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected)") {
		t.Error(got)
	}
}

func TestMissingFunctionsAreAnErrorOnlyWhereTheyAreNeeded(t *testing.T) {
	t.Run("not needed", func(t *testing.T) {
		got := inChildWith(t, "-DVERSION=13000", "-DcuTexRefSetFlags=renamed")
		if got != "cuTexRefSetFlags\n" {
			t.Errorf("%q", got)
		}
	})
	t.Run("needed", func(t *testing.T) {
		got := inChildWith(t, "-DVERSION=13000", "-DcuLaunchKernel=renamed", "-DcuMemFree_v2=renamed2")
		if !strings.Contains(got, "lacks cuLaunchKernel, cuMemFree_v2: driver 580 or newer is needed") {
			t.Errorf("%q", got)
		}
	})
}

func TestAWholeDriverLacksNothing(t *testing.T) {
	if got := inChildWith(t, "-DVERSION=13010"); got != "\n" {
		t.Errorf("%q", got)
	}
}

// The records lie where C expects them.
func TestRecordsAreAlignedAndFit(t *testing.T) {
	if unsafe.Sizeof(launchPart{}) > recordBytes-8 || unsafe.Sizeof(movePart{}) > recordBytes-8 {
		t.Fatalf("a record has %d bytes, its parts %d and %d", recordBytes, unsafe.Sizeof(launchPart{}), unsafe.Sizeof(movePart{}))
	}
	tape := NewTape(1000)
	defer tape.Close()
	arguments := [70]byte{1, 2, 3}
	count := 0
	for ; tape.Fits(len(arguments)); count++ {
		tape.Launch(7, [3]uint32{1, 1, 1}, 256, 0, unsafe.Pointer(&arguments), len(arguments))
		if tape.Used()%recordBytes != 0 || uintptr(tape.memory)%recordBytes != 0 {
			t.Fatal("a record is not aligned")
		}
	}
	if count != 5 || tape.Used() > 1024 || tape.Last() != 7 {
		t.Errorf("%d records in %d bytes", count, tape.Used())
	}
	tape.Reset()
	if tape.Used() != 0 || tape.Last() != 0 {
		t.Error("an empty tape is not empty")
	}
}
