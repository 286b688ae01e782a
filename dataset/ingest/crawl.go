package ingest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/store"
)

// Leader answers the reports of an ingester: the machine itself in the leader's own process, a connection elsewhere.
type Leader interface {
	Report(ctx context.Context, r Report) (Orders, error)
}

// Crawler is one ingester: it works on the parts that a leader gives it.
type Crawler struct {
	Name   string
	Counts *Counts

	home     store.Store
	plan     *Plan
	codec    *Codec
	fetcher  *fetcher
	decoders chan *scratch // one for each core
	keeping  int64         // bytes of pictures that may wait for the last URLs of their part, while more parts begin

	mu     sync.Mutex
	sealed []int // not yet reported
	nudge  chan struct{}
	active map[int]*activePart
}

// NewCrawler returns an ingester for a plan in home, if this machine has the plan's codec. It works until life ends; call Run
// once.
func NewCrawler(life context.Context, name string, home store.Store, plan *Plan, how Fetching) (*Crawler, error) {
	codec, err := OpenCodec(plan.Settings.JPEG)
	if err != nil {
		return nil, err
	}
	c := &Crawler{Name: name, Counts: &Counts{}, home: home, plan: plan, codec: codec, keeping: how.MemoryBytes / 2,
		decoders: make(chan *scratch, runtime.GOMAXPROCS(0)), nudge: make(chan struct{}, 1), active: map[int]*activePart{}}
	for range cap(c.decoders) {
		c.decoders <- &scratch{}
	}
	c.fetcher = newFetcher(life, plan.Settings, how, c.Counts)
	return c, nil
}

// leaderAway is how long an ingester works on without a leader.
const leaderAway = 30 * time.Second

// ErrNoLeader says that nobody deals out parts any more. What was sealed stays.
var ErrNoLeader = errors.New("the leader of the ingest does not answer")

// Run works until the leader says that all is done. It speaks to the leader every BeatTime, and at once when a part is
// sealed or there is room for another.
func (c *Crawler) Run(ctx context.Context, leader Leader) error {
	defer c.fetcher.close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		beat := time.NewTicker(BeatTime)
		defer beat.Stop()
		heard := time.Now()
		for {
			orders, err := c.report(ctx, leader)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err == nil && orders.Done:
				c.obey(ctx, Orders{}, g)
				return nil
			case err == nil:
				heard = time.Now()
				c.obey(ctx, orders, g)
			case time.Since(heard) > leaderAway:
				return fmt.Errorf("%w for %s: %w", ErrNoLeader, leaderAway, err)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-beat.C:
			case <-c.nudge:
			}
		}
	})
	return g.Wait()
}

// report says what this ingester has done; what was answered need not be said again.
func (c *Crawler) report(ctx context.Context, leader Leader) (Orders, error) {
	c.mu.Lock()
	said := slices.Clone(c.sealed)
	report := Report{Name: c.Name, Room: room(c.active, c.keeping), Works: sortedKeys(c.active), Sealed: said}
	c.mu.Unlock()
	orders, err := leader.Report(ctx, report)
	if err == nil {
		c.mu.Lock()
		c.sealed = c.sealed[len(said):]
		c.mu.Unlock()
	}
	return orders, err
}

// obey begins the parts that are new and drops those that are somebody else's now.
func (c *Crawler) obey(ctx context.Context, orders Orders, g *errgroup.Group) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for part, a := range c.active {
		if !slices.Contains(orders.Parts, part) {
			a.drop()
		}
	}
	for _, part := range orders.Parts {
		if c.active[part] != nil || slices.Contains(c.sealed, part) {
			continue
		}
		partCtx, drop := context.WithCancel(ctx)
		a := &activePart{drop: drop}
		c.active[part] = a
		g.Go(func() error {
			defer drop()
			done, err := c.work(partCtx, part, a)
			c.end(part, done)
			if partCtx.Err() != nil && ctx.Err() == nil {
				return nil // dropped
			}
			return err
		})
	}
}

func (c *Crawler) end(part int, done bool) {
	c.mu.Lock()
	delete(c.active, part)
	if done {
		c.sealed = append(c.sealed, part)
	}
	c.mu.Unlock()
	c.speak()
}

// speak reports to the leader at once.
func (c *Crawler) speak() {
	select {
	case c.nudge <- struct{}{}:
	default: // it will, anyway
	}
}

// work crawls a part unless it is sealed, and seals it. done says that it is sealed, by whomsoever.
func (c *Crawler) work(ctx context.Context, part int, a *activePart) (done bool, err error) {
	_, err = c.home.Stat(ctx, ledgerKey(c.plan.Generation, part))
	if err == nil {
		c.Counts.Late.Add(1)
		return true, nil
	}
	if !errors.Is(err, store.ErrNotExist) {
		return false, fmt.Errorf("looking for part %d: %w", part, err)
	}
	rows, err := c.plan.rows(ctx, c.home, part)
	if err != nil {
		return false, err
	}
	outcomes, err := c.crawlPart(ctx, part, rows, a)
	if err != nil {
		return false, fmt.Errorf("crawling part %d: %w", part, err)
	}
	first, err := c.seal(ctx, part, outcomes)
	if err != nil {
		return false, err
	}
	if first {
		c.Counts.Parts.Add(1)
	} else {
		c.Counts.Late.Add(1)
	}
	return true, nil
}

// Desk is the leader's machine, for ingesters of this process and of others.
type Desk struct {
	mu     sync.Mutex
	leases *Leases
	now    func() time.Time
}

// NewDesk opens a desk for what is left of a plan.
func NewDesk(ctx context.Context, home store.Store, plan *Plan, now func() time.Time) (*Desk, error) {
	sealed, err := sealedParts(ctx, home, plan.Generation)
	if err != nil {
		return nil, err
	}
	return &Desk{leases: NewLeases(plan.Parts, sealed), now: now}, nil
}

// Report answers an ingester.
func (d *Desk) Report(_ context.Context, r Report) (Orders, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.leases.Handle(d.now(), r), nil
}

// State returns how many parts are sealed, how many ingesters there are, and whether all of them know that all is done.
func (d *Desk) State() (sealed, ingesters int, over bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	return d.leases.Sealed(), d.leases.Ingesters(now), d.leases.Over(now)
}
