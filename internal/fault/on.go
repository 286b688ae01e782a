//go:build faults

package fault

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

var self string

// Name tells the package which worker this process is.
func Name(worker string) { self = worker }

// Point kills the process here if it was asked to.
func Point(point string, step int) {
	if fires(point, step) {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// Poison plants a NaN in values if it was asked to.
func Poison(point string, step int, values []float32) {
	if fires(point, step) {
		values[len(values)/2] = float32(math.NaN())
	}
}

// fires reports whether the point is asked for, and marks it as fired for this process and all later ones.
func fires(point string, step int) bool {
	for _, want := range strings.Split(os.Getenv("TEXTGROUND_FAULT"), ",") {
		place, worker, named := strings.Cut(want, "/")
		if place != fmt.Sprintf("%s@%d", point, step) || (named && worker != self) {
			continue
		}
		mark := filepath.Join(os.Getenv("TEXTGROUND_FAULT_DIR"), place)
		f, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			continue
		}
		f.Close()
		return true
	}
	return false
}
