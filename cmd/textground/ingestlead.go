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
	return whyEnded(ctx, f.finish(ctx, crawler.Counts, out, talk))
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
	at, err := f.meet(ctx, run, giveUpIfForbidden(give))
	if err != nil {
		return nil, err
	}
	leave, err := desk.Lead(ctx, at.bus, newInstance(time.Now()), give)
	if err != nil {
		at.close()
		return nil, err
	}
	f.printJoin(talk, at)
	if sealed, _, _ := desk.State(); sealed > 0 { // whoever helped an earlier leader says first what it works on
		sleep(ctx, 2*ingest.BeatTime)
	}
	return func() {
		leave()
		at.close()
	}, nil
}

// meeting is where the processes of an ingest talk to each other.
type meeting struct {
	bus     *exchange.Bus
	server  *exchange.Server // of this process; nil where it is another's
	address string           // for other machines
	token   string           // of this process's server
}

func (m *meeting) close() {
	m.bus.Close()
	if m.server != nil {
		m.server.Close()
	}
}

// meet connects to the server that --nats names, or starts one.
func (f *ingestFlags) meet(ctx context.Context, run string, onError func(error)) (*meeting, error) {
	log := newLog("ingest", os.Stderr)
	if f.nats == "" {
		return meetHere(ctx, run, f.listen, log)
	}
	config := externalBus(run, ingest.LeaderName, f.nats, log)
	config.OnError = onError
	bus, err := dialIngest(ctx, config)
	if err != nil {
		return nil, err
	}
	return &meeting{bus: bus, address: withoutUser(f.nats)}, nil
}

// meetHere starts a server that listens at HOST:PORT.
func meetHere(ctx context.Context, run, listen string, log hclog.Logger) (*meeting, error) {
	host, portText, err := net.SplitHostPort(listen)
	port, errPort := strconv.Atoi(portText)
	if err := errors.Join(err, errPort); err != nil {
		return nil, badInput(fmt.Sprintf("--listen %s: %v; write HOST:PORT, such as 0.0.0.0:4222", listen, err))
	}
	m := &meeting{token: envOr("TEXTGROUND_TOKEN", rand.Text())}
	if m.server, err = exchange.StartServer(exchange.ServerConfig{Listen: true, Host: host, Port: port, Token: m.token, Log: log}); err != nil {
		return nil, badInput(err.Error())
	}
	if m.bus, err = exchange.Dial(ctx, exchange.BusConfig{Run: run, Name: ingest.LeaderName, InProcess: m.server, Log: log}); err != nil {
		m.server.Close()
		return nil, err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host, _ = os.Hostname()
	}
	m.address = "nats://" + net.JoinHostPort(host, strconv.Itoa(m.server.Port()))
	return m, nil
}

// printJoin prints what to type on a second machine. The secret of a server of this process goes through the environment;
// those of another one are given out by its owner.
func (f *ingestFlags) printJoin(talk io.Writer, at *meeting) {
	secret, private := "", ""
	if at.token != "" {
		secret = "TEXTGROUND_TOKEN=" + at.token + " "
	}
	if f.fetching.AllowPrivate {
		private = " --allow-private"
	}
	fmt.Fprintf(talk, "to join from another machine:\n  %stextground ingest --join %s --to %s%s\n", secret, at.address, f.to, private)
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
