package sim

import (
	"container/heap"
	"time"
)

// clock is virtual time: a queue of things to happen, in order of time, then of their planning.
type clock struct {
	now   time.Duration
	queue agenda
	count uint64
}

type appointment struct {
	at    time.Duration
	order uint64
	do    func()
}

// after plans do for the moment d from now.
func (c *clock) after(d time.Duration, do func()) {
	c.count++
	heap.Push(&c.queue, appointment{c.now + d, c.count, do})
}

// step lets the next thing happen; it reports false when there is none.
func (c *clock) step() bool {
	if len(c.queue) == 0 {
		return false
	}
	next := heap.Pop(&c.queue).(appointment)
	c.now = next.at
	next.do()
	return true
}

type agenda []appointment

func (a agenda) Len() int      { return len(a) }
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].order < a[j].order
}
func (a *agenda) Push(x any) { *a = append(*a, x.(appointment)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}
