//go:build cgo

package cpu

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// onThreads runs a benchmark on one thread and on all processors, on the device that Open gives: TEXTGROUND_ISA chooses
// another instruction set. scripts/bench asks for "all".
func onThreads(b *testing.B, name string, run func(b *testing.B, d *device)) {
	for _, c := range []struct {
		name    string
		threads int
	}{{"one", 1}, {"all", runtime.NumCPU()}} {
		b.Run(name+"/"+c.name, func(b *testing.B) {
			opened, err := Open(c.threads)
			if err != nil {
				b.Fatal(err)
			}
			defer opened.Close()
			run(b, opened.(*device))
		})
	}
}

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
