package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/textground/textground/dataset/ingest"
	"github.com/textground/textground/exchange"
	"github.com/textground/textground/store"
)

// help takes part in somebody else's ingest.
func (f *ingestFlags) help(ctx context.Context, out, talk io.Writer) error {
	plan, run, err := f.known(ctx)
	if err != nil {
		return err
	}
	if f.name == "" {
		f.name = "ingester-" + strings.ToLower(rand.Text()[:8])
	}
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	log := newLog("ingest", os.Stderr)
	config := externalBus(run, f.name, f.join, log)
	config.OnError = giveUpIfForbidden(give)
	bus, err := dialIngest(ctx, config)
	if err != nil {
		return err
	}
	defer bus.Close()
	crawler, err := ingest.NewCrawler(ctx, f.name, f.home, plan, f.fetching)
	if err != nil {
		return badInput(err.Error())
	}
	if err := f.crawl(ctx, crawler, ingest.NewRemote(bus, log), plan, nil, talk); err != nil {
		return whyEnded(ctx, err)
	}
	fmt.Fprintf(out, "%d parts sealed by this process\n", crawler.Counts.Parts.Load())
	return nil
}

// known finds the plan to help with, and the run in whose subjects its ingesters talk.
func (f *ingestFlags) known(ctx context.Context) (plan *ingest.Plan, run string, err error) {
	if plan, err = ingest.Newest(ctx, f.home); err == nil {
		run, err = ingest.BusRun(ctx, f.home, plan)
	}
	if errors.Is(err, store.ErrNotExist) {
		err = badInput(fmt.Sprintf("no ingest in %s is led over NATS; give the same place as the leader's --to, as this machine reaches it", f.to))
	}
	return plan, run, err
}

// dialIngest connects to a server that exists; one that is not there yet is waited for a little.
func dialIngest(ctx context.Context, config exchange.BusConfig) (*exchange.Bus, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	bus, err := exchange.Dial(ctx, config)
	if err != nil {
		return nil, badInput(err.Error())
	}
	return bus, nil
}

// giveUpIfForbidden ends a process to which the server does not grant what its role needs: waiting would not help.
func giveUpIfForbidden(give context.CancelCauseFunc) func(error) {
	return func(err error) {
		if errors.Is(err, exchange.ErrPermission) {
			give(badInput(err.Error()))
		}
	}
}

// whyEnded turns an error that came of a context's end into the reason for that end.
func whyEnded(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}
