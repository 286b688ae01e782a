package ingest

import (
	"sync"
	"sync/atomic"
)

// Counts are what a process has done since it began. They may be read at any time.
type Counts struct {
	Requests, Retries, Bytes atomic.Int64
	Parts                    atomic.Int64 // sealed by this process
	Late                     atomic.Int64 // parts that somebody else had sealed

	mu      sync.Mutex
	classes map[Class]int64
}

func (c *Counts) add(class Class) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.classes == nil {
		c.classes = map[Class]int64{}
	}
	c.classes[class]++
}

// Of returns how many URLs ended in a class.
func (c *Counts) Of(class Class) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.classes[class]
}

// URLs returns how many URLs are done.
func (c *Counts) URLs() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var sum int64
	for _, n := range c.classes {
		sum += n
	}
	return sum
}
