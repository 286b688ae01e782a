package worker

import (
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/exchange"
	"github.com/textground/textground/proto"
)

// reporter keeps the worker's report and sends it at every change and again twice a second, also while the worker's own
// goroutine computes.
type reporter struct {
	mu     sync.Mutex
	report proto.Report
	bad    func() map[string]int // what the loader left out
	log    hclog.Logger
}

func newReporter(cfg Config) *reporter {
	return &reporter{log: cfg.Log, bad: cfg.Loader.BadSamples, report: proto.Report{
		Worker: cfg.Name, Instance: cfg.Instance, Class: cfg.Class, Device: cfg.Device, PID: cfg.PID, Host: cfg.Host,
		Applied: proto.NoStep, Step: proto.NoStep, Saved: proto.NoStep,
	}}
}

// start sends the report on a timer until the returned function is called.
func (r *reporter) start(bus *exchange.Bus) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(proto.ResendEvery)
		defer tick.Stop()
		for {
			r.send(bus)
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// change alters the report and sends it.
func (r *reporter) change(bus *exchange.Bus, alter func(*proto.Report)) {
	r.mu.Lock()
	alter(&r.report)
	r.report.BadSamples = r.bad()
	r.report.Sequence++
	r.mu.Unlock()
	r.send(bus)
}

func (r *reporter) send(bus *exchange.Bus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := bus.PublishReport(r.report); err != nil {
		r.log.Warn("a report could not be sent; it is sent again", "error", err)
	}
}
