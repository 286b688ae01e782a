package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/dataset"
	"github.com/textground/textground/exchange"
	"github.com/textground/textground/internal/fault"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/tcl"
	"github.com/textground/textground/worker"
)

type workerFlags struct {
	supervised    bool
	name, join    string
	device, store string
	threads       int
}

func newWorker() *cobra.Command {
	var f workerFlags
	c := &cobra.Command{
		Use: "worker RUN", Short: "Compute for a run, here or from another machine", Args: exactArg("a run id"),
		Example: "  TEXTGROUND_TOKEN=... textground worker world-a1b2c --join nats://host:4222",
		RunE: func(c *cobra.Command, args []string) error {
			ctx, cancel := parentGone(c.Context(), f.supervised)
			defer cancel()
			err := compute(ctx, args[0], f)
			if errors.Is(err, context.Canceled) && ctx.Err() != nil {
				return nil
			}
			return err
		},
	}
	c.Flags().BoolVar(&f.supervised, "supervised", false, "end in good order when standard input ends")
	c.Flags().StringVar(&f.name, "name", "", "name within the run (default: the host's name and five letters)")
	c.Flags().StringVar(&f.join, "join", "", "address of the run's NATS server; the secret comes from TEXTGROUND_TOKEN (default: the run on this machine)")
	c.Flags().StringVar(&f.device, "device", "", "cuda[:N], cpu, ref or auto (default: as the run file says)")
	c.Flags().StringVar(&f.store, "store", "", "the run's store as this machine reaches it (default: as the run says)")
	c.Flags().IntVar(&f.threads, "threads", 0, "threads (0: all cores)")
	return c
}

// compute takes part in a run until it is over.
func compute(ctx context.Context, id string, f workerFlags) error {
	name := f.name
	if name == "" {
		host, _ := os.Hostname()
		name = newRunID(safeToken(host))
	}
	fault.Name(name)
	log := newLog(name, os.Stderr)
	bus, address, err := joinBus(ctx, id, name, f.join, log)
	if err != nil {
		return err
	}
	defer bus.Close()
	record, err := fetchRecord(ctx, bus)
	if err != nil {
		return err
	}
	file := &record.File
	if f.store != "" {
		file.Store = f.store
	}
	a, err := assemble(ctx, file)
	if err != nil {
		return err
	}
	asked := firstOf(f.device, file.Device, "auto")
	dev, err := devices.Open(asked, f.threads)
	if err != nil {
		return badInput(err.Error())
	}
	defer dev.Close()
	log.Info("computing", "on", asked, "device", dev.Name())
	model, err := a.trainingModel(dev)
	if err != nil {
		return err
	}
	defer model.Close()
	loader, err := a.loader(2, log)
	if err != nil {
		return err
	}
	defer loader.Close()
	return work(ctx, a, record, name, address, bus, dev, model, loader, log)
}

// work joins the exchanges and runs the worker.
func work(ctx context.Context, a *assembly, record *RunRecord, name, address string, bus *exchange.Bus, dev kernels.Device, model *tcl.Model, loader *dataset.Loader, log hclog.Logger) error {
	file := a.file
	class, err := deviceClass(dev.Name())
	if err != nil {
		return err
	}
	client, err := exchange.NewClient(bus, exchange.ClientConfig{Lanes: file.Lanes(), TextLen: file.MicroBatch * a.config.Vision.Embed, Log: log.Named("exchange"),
		OnSent: func(step int, x proto.Exchange, chunk, _ int) {
			if x == proto.Gradients && chunk == 0 {
				fault.Point("mid-chunk", step)
			}
		}})
	if err != nil {
		return err
	}
	defer client.Close()
	host, _ := os.Hostname()
	return worker.New(worker.Config{
		Name: name, Instance: newInstance(time.Now()), Run: record.Run, Class: class, Device: dev.Name(), Host: host, PID: os.Getpid(),
		Lanes: file.Lanes(), NoiseLen: file.MicroBatch * a.config.Positions(), Seed: file.Seed,
		Model: model, InitialState: a.initialState(), Loader: loader, Store: a.store,
		Lineage: checkpoint.Lineage{Run: record.Run, Number: record.Lineage}, Volumes: checkpoint.PlanVolumes(namesAndShapes(tcl.Trainables(a.config))),
		Client: client, Bus: bus, Address: address, Log: log,
	}).Run(ctx)
}

// newInstance tells the processes of one name apart, later ones being greater.
func newInstance(started time.Time) string {
	return fmt.Sprintf("%016x-%s", started.UnixNano(), strings.ToLower(rand.Text()))
}

// How long a worker tries to reach a run that it was told of.
const joinWithin = 60 * time.Second

// joinBus connects to the run's bus: the one of this machine's run, or the one at join.
func joinBus(ctx context.Context, id, name, join string, log hclog.Logger) (*exchange.Bus, string, error) {
	ctx, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	log = log.Named("bus")
	if join != "" {
		bus, err := exchange.Dial(ctx, externalBus(id, name, join, log))
		return bus, join, err
	}
	local, err := readBusAddress(runPath(id))
	if err != nil {
		return nil, "", badInput(err.Error())
	}
	config := externalBus(id, name, local.URL, log)
	if local.Token != "" {
		config = exchange.BusConfig{Run: id, Name: name, URL: local.URL, Token: local.Token, Log: log}
	}
	bus, err := exchange.Dial(ctx, config)
	return bus, local.URL, err
}

// fetchRecord learns from the coordinator what the run is.
func fetchRecord(ctx context.Context, bus *exchange.Bus) (*RunRecord, error) {
	ctx, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	spec, err := bus.FetchSpec(ctx)
	if err != nil {
		return nil, err
	}
	var record RunRecord
	if err := json.Unmarshal(spec, &record); err != nil {
		return nil, fmt.Errorf("the run's description: %w; coordinator and worker must be of one build", err)
	}
	return &record, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// safeToken makes a name out of a host's.
func safeToken(host string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(host)), "-")
}
