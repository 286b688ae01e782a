package emu

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Build returns the path of the library with all kernels of kernels/cuda, built once a process and only where a source has
// changed. It skips the test on machines without a C++ compiler.
func Build(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("g++"); err != nil {
		t.Skip("no g++: the kernels cannot be emulated")
	}
	path, err := all()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var all = sync.OnceValues(func() (string, error) {
	out := filepath.Join(here(), "..", "..", "build", "emu", "libcuda.so")
	return out, compile(out)
})

// compile builds a library of the named kernel files, of all of kernels/cuda where none is named.
func compile(out string, files ...string) error {
	output, err := exec.Command(filepath.Join(here(), "build.sh"), append([]string{out}, files...)...).CombinedOutput()
	if err != nil {
		return &buildError{err, output}
	}
	return nil
}

type buildError struct {
	err    error
	output []byte
}

func (e *buildError) Error() string { return "build the emulated kernels: " + e.err.Error() + "\n" + string(e.output) }

func (e *buildError) Unwrap() error { return e.err }

// here is the directory of this file.
func here() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}
