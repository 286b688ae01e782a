package kerneltest_test

import (
	"testing"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/kerneltest"
	"github.com/textground/textground/kernels/ref"
)

// The reference agrees with itself, which leaves the suite's own promises: no bit depends on alignment or scheduling, no
// gap of a strided view is written, no working space is lost.
func TestReferenceConforms(t *testing.T) {
	kerneltest.Run(t, kerneltest.Subject{Open: func(testing.TB, int) kernels.Device { return ref.New() }})
}
