package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/coordinator"
	"github.com/textground/textground/coordinator/core"
	"github.com/textground/textground/exchange"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/store"
	"github.com/textground/textground/tcl"
)

// coordinatorFlags are how train starts a coordinator; by hand they serve a run whose workers are all elsewhere.
type coordinatorFlags struct {
	supervised, mixed bool
	steps, minWorkers int
	page, listen      string
}

func newCoordinator() *cobra.Command {
	var f coordinatorFlags
	c := &cobra.Command{
		Use: "coordinator RUN", Short: "Lead a run of this machine, without workers (train starts one by itself)", Args: exactArg("a run id, as textground ps --all lists them"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, cancel := parentGone(c.Context(), f.supervised)
			defer cancel()
			return lead(ctx, args[0], f, c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&f.supervised, "supervised", false, "end in good order when standard input ends")
	c.Flags().BoolVar(&f.mixed, "mixed", false, "let device classes mix: drops the promise of equal bits")
	c.Flags().IntVar(&f.steps, "steps", 0, "stop after so many steps of the run")
	c.Flags().IntVar(&f.minWorkers, "min-workers", 1, "wait up to 30 s for so many workers before the first step")
	c.Flags().StringVar(&f.page, "page", "127.0.0.1:0", "address of the live page; empty for none")
	c.Flags().StringVar(&f.listen, "listen", "", "address at which workers of other machines may join")
	return c
}

// lead opens everything a coordinator needs and leads the run to its end.
func lead(ctx context.Context, id string, f coordinatorFlags, out io.Writer) error {
	record, err := readRecord(id)
	if err != nil {
		return err
	}
	dir, log := runPath(id), newLog("coordinator", os.Stderr)
	a, err := openDrawn(ctx, &record.File, log)
	if err != nil {
		return err
	}
	if err := store.Probe(ctx, a.store); err != nil {
		return err
	}
	lineage := checkpoint.Lineage{Run: id, Number: record.Lineage}
	start, err := findStart(ctx, a, lineage, f.mixed)
	if err != nil {
		return err
	}
	epoch, err := checkpoint.ClaimEpoch(ctx, a.store, lineage, strings.ToLower(rand.Text()))
	if err != nil {
		return err
	}
	server, bus, err := openBus(ctx, id, dir, record.File.NATS, f.listen, log)
	if err != nil {
		return err
	}
	defer bus.Close()
	if server != nil {
		defer server.Close()
	}
	stopSpec, err := serveSpec(bus, record)
	if err != nil {
		return err
	}
	defer stopSpec()
	known, err := coordinator.ReadMetrics(dir)
	if err != nil {
		return err
	}
	c, err := coordinator.New(coordinatorConfig(a, id, dir, f, lineage, epoch, start, known, bus, log))
	if err != nil {
		return err
	}
	if f.listen != "" && !f.supervised { // else train prints it: our output is a log, and no place for a secret
		printJoinLine(out, id, f.listen)
	}
	for _, s := range start.skipped {
		c.Journal("checkpoint-skipped", s.Step-1, s.String())
	}
	_, err = c.Run(ctx)
	return err
}

// start is where a run begins: its newest checkpoint that verifies, or the seed's initial state.
type start struct {
	base    proto.Base
	newest  *checkpoint.Manifest // nil for the initial state
	class   string
	skipped []checkpoint.Skipped
}

// findStart looks for the newest checkpoint and refuses one that belongs to other settings or data.
func findStart(ctx context.Context, a *assembly, l checkpoint.Lineage, mixed bool) (start, error) {
	found, err := checkpoint.Latest(ctx, a.store, l)
	if err != nil && !errors.Is(err, checkpoint.ErrNoneValid) {
		return start{}, err
	}
	if errors.Is(err, checkpoint.ErrNoneValid) {
		return start{}, fmt.Errorf("%w; repair the store or start a new run", err)
	}
	s := start{base: proto.Base{Step: proto.Initial}, skipped: found.Skipped}
	if found.Manifest == nil {
		return s, nil
	}
	m := found.Manifest
	for _, part := range []struct{ what, have, want string }{
		{"settings that alter numbers", a.file.Digest(), m.Identity.RunFile},
		{"shards", a.index.Fingerprint, m.Identity.Dataset},
		{"frozen weights", a.frozen, m.Identity.Frozen},
	} {
		if part.have != part.want {
			return s, badInput(fmt.Sprintf("the checkpoint of step %d was made with other %s (%.12s, now %.12s); restore them, or start a new run", m.Step, part.what, part.want, part.have))
		}
	}
	s.base, s.newest = proto.Base{Step: m.Step - 1, Manifest: m.Digest}, m
	if !mixed {
		s.class = m.Identity.DeviceClass
	}
	return s, nil
}

func coordinatorConfig(a *assembly, id, dir string, f coordinatorFlags, lineage checkpoint.Lineage, epoch int, s start, known []coordinator.Metrics, bus *exchange.Bus, log hclog.Logger) coordinator.Config {
	file, schedule := a.file, a.schedule()
	list := tcl.Trainables(a.config)
	digests := map[int]string{}
	for _, m := range known {
		digests[m.Step] = m.Digest
	}
	return coordinator.Config{
		Run: id, Dir: dir, PID: os.Getpid(), Page: f.page, File: file, Bus: bus, Now: time.Now, Log: log,
		Sizes: coordinator.Sizes{Text: file.MicroBatch * a.config.Vision.Embed, Columns: 2 * file.Batch, Gradient: [3]int{0, tcl.GradientLen(a.config, 1), tcl.GradientLen(a.config, 2)}},
		Saver: &coordinator.Saver{Store: a.store, Lineage: lineage, Epoch: epoch, Newest: s.newest, Now: time.Now, Retention: checkpoint.NewRetention(file.Checkpoint.Keep),
			Identity: checkpoint.Identity{Seed: file.Seed, Dataset: a.index.Fingerprint, Frozen: a.frozen, RunFile: file.Digest(), DeviceClass: s.class},
			Parameters: func(step int) []checkpoint.Parameter {
				var parameters []checkpoint.Parameter
				for _, p := range list {
					parameters = append(parameters, checkpoint.Parameter{Name: p.Name, Shape: p.Shape, Updates: schedule.Updates(a.config, p, step+1)})
				}
				return parameters
			}},
		Machine: core.Config{Epoch: uint64(epoch), Lanes: file.Lanes(), Steps: file.Steps, StopAfter: min(f.steps, file.Steps), SaveEvery: file.Checkpoint.Every, SaveAt: savesAfter(file.Checkpoint.At),
			Volumes: len(checkpoint.PlanVolumes(namesAndShapes(list))), Class: s.class, Mixed: f.mixed, Base: s.base, Known: digests, MinWorkers: f.minWorkers,
			Rates: func(step int) proto.Rates {
				r := schedule.Rates(step)
				return proto.Rates{Phase: schedule.Phase(step), RateBits: math.Float64bits(r.Rate), Count: r.Count, BlockCount: r.BlockCount}
			},
			Samples: func(step, lane int) []string {
				var names []string
				for _, sample := range a.plan.Samples(step, lane) {
					names = append(names, a.index.Name(sample))
				}
				return names
			}},
	}
}

// savesAfter turns counts of committed steps into the steps themselves.
func savesAfter(counts []int) []int {
	var steps []int
	for _, n := range counts {
		steps = append(steps, n-1)
	}
	return steps
}

func namesAndShapes(list []tcl.Parameter) (names []string, shapes [][]int) {
	for _, p := range list {
		names, shapes = append(names, p.Name), append(shapes, p.Shape)
	}
	return names, shapes
}

// openBus starts the embedded server, on the port and with the secret of the run's earlier coordinator if there was one so
// that living workers find it again, or connects to an external server.
func openBus(ctx context.Context, id, dir, external, listen string, log hclog.Logger) (*exchange.Server, *exchange.Bus, error) {
	log = log.Named("bus")
	if external != "" {
		bus, err := exchange.Dial(ctx, externalBus(id, "coordinator", external, log))
		if err != nil {
			return nil, nil, badInput(err.Error())
		}
		return nil, bus, writeBusAddress(dir, busAddress{URL: external})
	}
	config := exchange.ServerConfig{Listen: true, Host: "127.0.0.1", Token: rand.Text(), Log: log}
	if listen != "" {
		host, port, err := net.SplitHostPort(listen)
		if err != nil {
			return nil, nil, badInput(fmt.Sprintf("--listen %s: %v; write HOST:PORT, such as 0.0.0.0:4222", listen, err))
		}
		config.Host = host
		if config.Port, err = strconv.Atoi(port); err != nil {
			return nil, nil, badInput(fmt.Sprintf("--listen %s: the port is no number", listen))
		}
	}
	if last, err := readBusAddress(dir); err == nil && last.Token != "" {
		config.Token = last.Token
		if u, err := url.Parse(last.URL); err == nil {
			config.Port, _ = strconv.Atoi(u.Port())
		}
	}
	server, err := exchange.StartServer(config)
	if err != nil {
		return nil, nil, badInput(err.Error())
	}
	bus, err := exchange.Dial(ctx, exchange.BusConfig{Run: id, Name: "coordinator", InProcess: server, Log: log})
	if err != nil {
		server.Close()
		return nil, nil, err
	}
	return server, bus, writeBusAddress(dir, busAddress{URL: loopback(server), Token: config.Token})
}

// loopback is the server's address for processes of this machine.
func loopback(s *exchange.Server) string {
	return fmt.Sprintf("nats://127.0.0.1:%d", s.Port())
}

// externalBus takes credentials for an external server from the environment: they stand in no file of the run and on no
// command line.
func externalBus(run, name, address string, log hclog.Logger) exchange.BusConfig {
	return exchange.BusConfig{Run: run, Name: name, URL: address, Log: log,
		Token: os.Getenv("TEXTGROUND_TOKEN"), User: os.Getenv("TEXTGROUND_NATS_USER"), Password: os.Getenv("TEXTGROUND_NATS_PASSWORD"),
		SeedFile: os.Getenv("TEXTGROUND_NATS_NKEY"), CredsFile: os.Getenv("TEXTGROUND_NATS_CREDS"), CAFile: os.Getenv("TEXTGROUND_NATS_CA")}
}

// serveSpec tells joining workers what the run is.
func serveSpec(bus *exchange.Bus, record *RunRecord) (func(), error) {
	spec, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	return bus.ServeSpec(spec)
}

// printJoinLine prints what to type on a second machine. The secret goes through the environment, never through arguments.
func printJoinLine(out io.Writer, id, listen string) {
	address, err := readBusAddress(runPath(id))
	if err != nil || address.Token == "" {
		return // an external server: joining it needs what its owner gives out
	}
	host, _, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host, _ = os.Hostname()
	}
	port := address.URL[strings.LastIndexByte(address.URL, ':')+1:]
	fmt.Fprintf(out, "to join from another machine:\n  TEXTGROUND_TOKEN=%s textground worker %s --join nats://%s\n", address.Token, id, net.JoinHostPort(host, port))
}

// newLog returns a log for people, or for machines with TEXTGROUND_LOG_JSON=1.
func newLog(name string, out io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Name: name, Output: out, Level: hclog.LevelFromString(envOr("TEXTGROUND_LOG", "info")), JSONFormat: os.Getenv("TEXTGROUND_LOG_JSON") != ""})
}
