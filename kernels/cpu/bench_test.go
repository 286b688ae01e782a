//go:build cgo

package cpu

import (
	"syscall"
	"testing"
	"time"
)

// measure times run and reports its rate, by the clock and by the processor time of all threads: the second says more on a
// machine with other work to do.
func measure(b *testing.B, flops float64, run func()) {
	run()
	before := processorTime()
	b.ResetTimer()
	for range b.N {
		run()
	}
	b.StopTimer()
	total := flops * float64(b.N) / 1e9
	b.ReportMetric(total/b.Elapsed().Seconds(), "GFLOP/s")
	b.ReportMetric(total/(processorTime()-before).Seconds(), "GFLOP/cpu-s")
}

func processorTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
