package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/textground/textground/dataset/ingest"
	"github.com/textground/textground/exchange"
	"github.com/textground/textground/store"
)

// plan finds or makes the plan to work on.
func (f *ingestFlags) plan(ctx context.Context, lists []string, talk io.Writer) (*ingest.Plan, error) {
	if f.retry {
		plan, err := ingest.Retry(ctx, f.home)
		if errors.Is(err, store.ErrNotExist) {
			err = badInput("no ingest was begun in " + f.to)
		}
		return plan, err
	}
	codec, err := ingest.OpenCodec(f.jpeg)
	if err != nil {
		return nil, badInput(err.Error())
	}
	f.settings.JPEG = codec.Name()
	list, err := ingest.OpenList(ctx, lists, f.columns)
	if err != nil {
		return nil, err
	}
	count := newCounter(talk, "rows", f.limit)
	defer count.stop()
	return ingest.Begin(ctx, f.home, list, f.limit, f.settings, count.set)
}

// lead crawls a list, alone or with others, and writes the index.
func (f *ingestFlags) lead(ctx context.Context, lists []string, out, talk io.Writer) error {
	if err := store.Probe(ctx, f.store); err != nil {
		return err
	}
	plan, err := f.plan(ctx, lists, talk)
	if errors.Is(err, ingest.ErrNothingToRetry) {
		fmt.Fprintln(talk, err)
		return f.finish(ctx, nil, out, talk)
	}
	if err != nil {
		return err
	}
	desk, err := ingest.NewDesk(ctx, f.home, plan, time.Now)
	if err != nil {
		return err
	}
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	if f.listen != "" || f.nats != "" {
		stop, err := f.invite(ctx, give, desk, plan, talk)
		if err != nil {
			return whyEnded(ctx, err)
		}
		defer stop()
	}
	crawler, err := ingest.NewCrawler(ctx, ingest.LeaderName, f.home, plan, f.fetching)
	if err != nil {
		return badInput(err.Error())
	}
	if err := f.crawl(ctx, crawler, desk, plan, desk, talk); err != nil {
		return whyEnded(ctx, err)
	}
	for over := false; !over; { // the last reports of the others
		if _, _, over = desk.State(); !over && !sleep(ctx, 100*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
	return f.finish(ctx, crawler.Counts, out, talk)
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// invite lets others join, over a server of this process or one that exists. give ends this process when it must not lead.
func (f *ingestFlags) invite(ctx context.Context, give context.CancelCauseFunc, desk *ingest.Desk, plan *ingest.Plan, talk io.Writer) (stop func(), err error) {
	if err := ingest.NameBus(ctx, f.home, rand.Text()); err != nil {
		return nil, err
	}
	run, err := ingest.BusRun(ctx, f.home, plan)
	if err != nil {
		return nil, err
	}
	bus, closeBus, err := f.leaderBus(ctx, run, giveUpIfForbidden(give), talk)
	if err != nil {
		return nil, err
	}
	leave, err := desk.Lead(ctx, bus, newInstance(time.Now()), give)
	if err != nil {
		closeBus()
		return nil, err
	}
	stop = func() {
		leave()
		closeBus()
	}
	if sealed, _, _ := desk.State(); sealed > 0 { // whoever helped an earlier leader says first what it works on
		sleep(ctx, 2*ingest.BeatTime)
	}
	return stop, nil
}

// leaderBus connects to the server that --nats names, or to one that it starts, and says how others join.
func (f *ingestFlags) leaderBus(ctx context.Context, run string, onError func(error), talk io.Writer) (bus *exchange.Bus, stop func(), err error) {
	log := newLog("ingest", os.Stderr)
	if f.nats == "" {
		return f.listenHere(ctx, run, log, talk)
	}
	config := externalBus(run, ingest.LeaderName, f.nats, log)
	config.OnError = onError
	if bus, err = dialIngest(ctx, config); err != nil {
		return nil, nil, err
	}
	f.printJoin(talk, "", withoutUser(f.nats))
	return bus, bus.Close, nil
}

// listenHere starts a server of this process.
func (f *ingestFlags) listenHere(ctx context.Context, run string, log hclog.Logger, talk io.Writer) (bus *exchange.Bus, stop func(), err error) {
	host, portText, err := net.SplitHostPort(f.listen)
	port, errPort := strconv.Atoi(portText)
	if err := errors.Join(err, errPort); err != nil {
		return nil, nil, badInput(fmt.Sprintf("--listen %s: %v; write HOST:PORT, such as 0.0.0.0:4222", f.listen, err))
	}
	token := envOr("TEXTGROUND_TOKEN", rand.Text())
	server, err := exchange.StartServer(exchange.ServerConfig{Listen: true, Host: host, Port: port, Token: token, Log: log})
	if err != nil {
		return nil, nil, badInput(err.Error())
	}
	if bus, err = exchange.Dial(ctx, exchange.BusConfig{Run: run, Name: ingest.LeaderName, InProcess: server, Log: log}); err != nil {
		server.Close()
		return nil, nil, err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host, _ = os.Hostname()
	}
	f.printJoin(talk, "TEXTGROUND_TOKEN="+token+" ", "nats://"+net.JoinHostPort(host, strconv.Itoa(server.Port())))
	return bus, func() {
		bus.Close()
		server.Close()
	}, nil
}

// printJoin prints what to type on a second machine. The secret of a server of this process goes through the environment;
// those of another one are given out by its owner.
func (f *ingestFlags) printJoin(talk io.Writer, environment, address string) {
	private := ""
	if f.fetching.AllowPrivate {
		private = " --allow-private"
	}
	fmt.Fprintf(talk, "to join from another machine:\n  %stextground ingest --join %s --to %s%s\n", environment, address, f.to, private)
}

// withoutUser leaves out what addresses of a server hold of secrets.
func withoutUser(addresses string) string {
	list := strings.Split(addresses, ",")
	for i, a := range list {
		if u, err := url.Parse(strings.TrimSpace(a)); err == nil && u.Host != "" {
			u.User = nil
			list[i] = u.String()
		}
	}
	return strings.Join(list, ",")
}
