package kerneltest_test

import (
	"testing"
	"time"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/kerneltest"
	"github.com/textground/textground/kernels/ref"
)

// The reference agrees with itself, which leaves the suite's own promises: no bit depends on alignment or scheduling, no
// gap of a strided view is written, no working space is lost.
func TestReferenceConforms(t *testing.T) {
	kerneltest.Run(t, kerneltest.Subject{Open: func(testing.TB, int) kernels.Device { return ref.New() }})
}

func TestTimingsAreOfWhatWasAskedFor(t *testing.T) {
	count := 0
	for timing, err := range kerneltest.Time(ref.New(), 2, 4, "InfoNCE", time.Millisecond) {
		if err != nil || timing.Name != "InfoNCE/2x4-both-ways" || timing.Seconds <= 0 || timing.Bytes <= 0 || timing.Flops != 0 || timing.Product != nil {
			t.Errorf("%+v, %v", timing, err)
		}
		count++
	}
	if count != 1 {
		t.Errorf("%d timings", count)
	}
}
