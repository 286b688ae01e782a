package main

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// crew is the worker processes that train starts on this machine. One that gives up is told where the run was started; when
// the last has given up, a run that nobody else can join is stopped, with the first cause.
type crew struct {
	end     context.CancelFunc
	allLost func() // called when the last has given up

	mu     sync.Mutex
	alive  int
	causes []error
}

// startWorkers spreads the workers over devices, or leaves each to open the run's where there are none to spread over.
func startWorkers(s *supervisor, record *RunRecord, devices []string, talk io.Writer, allLost func()) *crew {
	ctx, end := context.WithCancel(context.Background())
	c := &crew{end: end, allLost: allLost, alive: record.File.Workers}
	for i := range record.File.Workers {
		name, device := fmt.Sprintf("worker-%d", i+1), ""
		if len(devices) > 0 {
			device = devices[i%len(devices)]
		}
		s.keep(ctx, name, workerArgs(record, name, device), workerFailures, func(err error) {
			if err != nil && ctx.Err() == nil {
				fmt.Fprintf(talk, "%s gives up: %v\n", name, err)
				c.lost(err)
			}
		})
	}
	return c
}

func (c *crew) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alive--
	c.causes = append(c.causes, err)
	if c.alive == 0 {
		c.allLost()
	}
}

// deserted is what the first worker to give up died of, once all have.
func (c *crew) deserted() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alive > 0 {
		return nil
	}
	return fmt.Errorf("no worker is left: %w", c.causes[0])
}
