package main

import (
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// counter shows how many things of a long command are done: a bar on a terminal, a plain line every five seconds elsewhere.
type counter struct {
	out  io.Writer
	what string
	all  int
	bars *mpb.Progress
	bar  *mpb.Bar
	told time.Time
}

func newCounter(out io.Writer, what string, all int) *counter {
	c := &counter{out: out, what: what, all: all, told: time.Now()}
	if isTerminal(out) {
		c.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(48))
		c.bar = c.bars.AddBar(int64(all), mpb.PrependDecorators(decor.CountersNoUnit(what+" %d / %d ")), mpb.AppendDecorators(decor.AverageETA(decor.ET_STYLE_GO)))
	}
	return c
}

func (c *counter) set(done int) { c.of(done, c.all) }

func (c *counter) of(done, all int) {
	c.all = all
	if c.bar != nil {
		c.bar.SetTotal(int64(all), false)
		c.bar.SetCurrent(int64(done))
		return
	}
	if time.Since(c.told) >= plainEvery {
		c.told = time.Now()
		fmt.Fprintf(c.out, "%s %d / %d\n", c.what, done, all)
	}
}

func (c *counter) stop() {
	if c.bar != nil {
		c.bar.Abort(false)
		c.bars.Wait()
	}
}
