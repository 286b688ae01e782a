//go:build cuda && cgo

package cuda

import (
	"github.com/textground/textground/kernels/cuda/driver"
)

// room returns the tape, with room for one more record with so many bytes of arguments.
func (d *device) room(arguments int) *driver.Tape {
	if !d.tape.Fits(arguments) {
		d.flush()
	}
	return d.tape
}

// flush hands what is recorded to the card's thread and goes on with an empty tape.
func (d *device) flush() {
	if d.tape.Used() == 0 {
		return
	}
	d.engine.commands <- command{tape: d.tape}
	d.tape = <-d.engine.idle
}

// wait returns when everything recorded is done, with the driver's first error.
func (d *device) wait() error {
	if d.dry() {
		return nil
	}
	d.flush()
	e := d.engine
	err := e.do(func() error {
		e.settle(e.stream.Synchronize)
		return e.failure
	})
	d.staging.reset()
	return err
}
