//go:build cuda && cgo

package cuda

import (
	"fmt"
	"runtime"

	"gorgonia.org/cu"

	"github.com/textground/textground/kernels/cuda/driver"
)

// engine is the one goroutine that talks to a card. It keeps its thread, because the driver's context belongs to a thread.
type engine struct {
	commands chan command
	idle     chan *driver.Tape // replayed tapes, for recording the next
	tapes    []*driver.Tape
	name     func(function uint64) string // of a kernel, for errors
	card     string                       // for errors
	stream   cu.Stream
	last     uint64 // function launched last
	failure  error  // the driver's first error; it is kept
}

// command is a tape to replay or a function to call on the card's thread.
type command struct {
	tape *driver.Tape
	call func() error
	done chan error // answers call
}

// Two tapes: one is recorded while the other is replayed. Each holds some 256 launches.
const (
	tapes     = 2
	tapeBytes = 64 << 10
)

func startEngine(card string) *engine {
	e := &engine{commands: make(chan command, tapes), idle: make(chan *driver.Tape, tapes), card: card}
	for range tapes {
		t := driver.NewTape(tapeBytes)
		e.tapes = append(e.tapes, t)
		e.idle <- t
	}
	go e.run()
	return e
}

// run serves commands until stop closes the queue. The thread ends with it.
func (e *engine) run() {
	runtime.LockOSThread()
	for c := range e.commands {
		if c.tape != nil {
			e.replay(c.tape)
			c.tape.Reset()
			e.idle <- c.tape
			continue
		}
		c.done <- c.call()
	}
}

// replay enqueues a tape's records, unless the card has failed before.
func (e *engine) replay(t *driver.Tape) {
	if e.failure != nil {
		return
	}
	if t.Last() != 0 {
		e.last = t.Last()
	}
	if f := t.Replay(handle(e.stream)); f != nil {
		e.fail(e.name(f.Function), f.Result)
	}
}

// settle waits for the stream. The driver does not say which kernel went wrong, unless each is waited for.
func (e *engine) settle(wait func() error) {
	if e.failure != nil {
		return
	}
	if err := wait(); err != nil {
		e.fail(e.name(e.last)+" or one before it (CUDA_LAUNCH_BLOCKING=1 tells which)", named(err))
	}
}

// fail keeps the first error.
func (e *engine) fail(doing string, err error) {
	if e.failure == nil {
		e.failure = fmt.Errorf("%s: %s: %w", e.card, doing, err)
	}
}

// do calls f on the card's thread after everything handed over before, and returns its error.
func (e *engine) do(f func() error) error {
	done := make(chan error, 1)
	e.commands <- command{call: f, done: done}
	return <-done
}

// stop ends the goroutine.
func (e *engine) stop() {
	close(e.commands)
	for range tapes {
		(<-e.idle).Close()
	}
}
