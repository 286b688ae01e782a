package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/textground/textground/coordinator"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/proto"
)

// trainFlags are the flags of train and resume. They say where and how; none alters a number.
type trainFlags struct {
	run     string
	steps   int
	workers int
	threads int
	device  string
	gpus    string
	cards   []int // that gpus names
	store   string
	nats    string
	listen  string
	page    string
	mixed   bool
	asJSON  bool
}

func (f *trainFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.IntVar(&f.steps, "steps", 0, "stop after so many steps of the run; the schedule stays that of the run file")
	flags.IntVar(&f.workers, "workers", 0, "worker processes on this machine (0: as the run file says)")
	flags.IntVar(&f.threads, "threads", 0, "threads of each worker (0: share the cores out)")
	flags.StringVar(&f.device, "device", "", "cuda[:N], cpu, ref or auto")
	flags.StringVar(&f.gpus, "gpus", "", "NVIDIA cards to use, one worker each: all, a count, or numbers such as 0,2")
	flags.StringVar(&f.store, "store", "", "shards and checkpoints: file://DIR or s3://BUCKET/PREFIX")
	flags.StringVar(&f.nats, "nats", "", "external NATS server, such as nats://host:4222")
	flags.StringVar(&f.listen, "listen", "", "let workers of other machines join at this address, such as 0.0.0.0:4222")
	flags.StringVar(&f.page, "page", "127.0.0.1:0", "address of the live page; empty for none")
	flags.BoolVar(&f.mixed, "mixed", false, "let device classes mix: drops the promise of equal bits")
	flags.BoolVar(&f.asJSON, "json", false, "the last line on stdout is one JSON object")
}

func newTrain() *cobra.Command {
	var f trainFlags
	c := &cobra.Command{
		Use: "train RUN.yaml", Short: "Start a run, or go on with it", Args: exactArg("a run file, such as examples/tiny.yaml"),
		Long: `Start a run: a coordinator and worker processes on this machine, which others may join.

Without --run every train starts a new run with a fresh id; with the id of an existing run it goes on with that one. Any
number of workers gives the same bits. A process that dies is started again; Ctrl-C seals a checkpoint and stops.`,
		Example: `  textground train examples/tiny.yaml --workers 3
  textground train examples/world.yaml --store s3://bucket/prefix --json
  textground train examples/world.yaml --listen 0.0.0.0:4222     prints the line for a second machine`,
		RunE: func(c *cobra.Command, args []string) error {
			record, err := recordFor(args[0], &f)
			if err != nil {
				return err
			}
			return runAndReport(c, record, &f)
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.run, "run", "", "go on with this run, or give the new one this id")
	return c
}

func newResume() *cobra.Command {
	var f trainFlags
	c := &cobra.Command{
		Use: "resume [RUN]", Short: "Go on with the latest run, or with RUN, at the very step", Args: cobra.MaximumNArgs(1),
		Example: "  textground resume\n  textground resume tiny-a1b2c --workers 5",
		RunE: func(c *cobra.Command, args []string) error {
			record, err := chooseRun(strings.Join(args, ""))
			if err != nil {
				return err
			}
			if err := refuseChangedFile(record); err != nil {
				return err
			}
			if err := f.apply(&record.File); err != nil {
				return err
			}
			return runAndReport(c, record, &f)
		},
	}
	f.add(c)
	return c
}

// recordFor reads the run file and makes, or finds, the run.
func recordFor(path string, f *trainFlags) (*RunRecord, error) {
	file, err := proto.ReadRunFile(path)
	if err != nil {
		return nil, badInputUnlessTyped(err)
	}
	id := f.run
	if id == "" {
		id = newRunID(file.Name)
	}
	if err := proto.CheckName("run id", id); err != nil {
		return nil, badInput(err.Error())
	}
	if f.run != "" {
		old, err := readRecord(id)
		if err == nil {
			if changed := old.File.Changed(file); len(changed) > 0 {
				return nil, changedError(id, changed)
			}
			return old, f.apply(&old.File)
		}
	}
	if err := f.apply(file); err != nil {
		return nil, err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	record := &RunRecord{Run: id, Started: time.Now(), Source: absolute, File: *file}
	return record, writeRecord(*record)
}

// refuseChangedFile compares the run file as it is now with the run: a changed number would be another run.
func refuseChangedFile(record *RunRecord) error {
	now, err := proto.ReadRunFile(record.Source)
	if err != nil {
		return nil // moved or gone: the run's own copy counts
	}
	if changed := record.File.Changed(now); len(changed) > 0 {
		return changedError(record.Run, changed)
	}
	return nil
}

func changedError(id string, changed []string) error {
	return badInput(fmt.Sprintf("run %s was started with other numbers (%s); change them back, or start a new run without --run", id, strings.Join(changed, ", ")))
}

// apply lays environment and flags over the file.
func (f *trainFlags) apply(file *proto.RunFile) (err error) {
	for name, value := range map[string]int{"steps": f.steps, "workers": f.workers, "threads": f.threads} {
		if value < 0 {
			return badInput(fmt.Sprintf("--%s %d must not be negative", name, value))
		}
	}
	for _, layer := range []struct {
		into *string
		from []string
	}{
		{&file.Store, []string{f.store, os.Getenv("TEXTGROUND_STORE")}},
		{&file.NATS, []string{f.nats, os.Getenv("TEXTGROUND_NATS")}},
		{&file.Device, []string{f.device, os.Getenv("TEXTGROUND_DEVICE")}},
	} {
		for _, value := range layer.from {
			if value != "" {
				*layer.into = value
				break
			}
		}
	}
	if f.gpus != "" {
		if f.cards, err = readGPUs(f.gpus); err != nil {
			return err
		}
		file.Workers = len(f.cards)
		if file.Device != "cuda-float32" {
			file.Device = "cuda"
		}
	}
	if f.workers > 0 {
		file.Workers = f.workers
	}
	if f.threads > 0 {
		file.Threads = f.threads
	}
	file.Store, err = absoluteStore(file.Store)
	return err
}

// runAndReport carries the run out and prints what came of it.
func runAndReport(c *cobra.Command, record *RunRecord, f *trainFlags) error {
	talk := c.ErrOrStderr()
	fmt.Fprintf(talk, "run %s in %s\n", record.Run, runPath(record.Run))
	result, err := carryOut(c.Context(), record, f, talk)
	forgetRefused(runPath(record.Run), err)
	if result != nil && (err == nil || f.asJSON) {
		printResult(c, result, f.asJSON)
	}
	if err == nil && c.Context().Err() != nil {
		return &interruption{"interrupted; go on with: textground resume " + record.Run}
	}
	return err
}

func printResult(c *cobra.Command, r *coordinator.Result, asJSON bool) {
	if asJSON {
		_ = json.NewEncoder(c.OutOrStdout()).Encode(r) // the run is over and recorded, whoever listens
		return
	}
	fmt.Fprintf(c.OutOrStdout(), "run %s: %d steps, total loss %.4f, %.1f images/s, %.1f s, %d workers\nparameters %s\n", r.Run, r.Step, r.Losses["total"], r.ImagesPerSecond, r.Seconds, r.Workers, r.ParamsSHA256)
	fmt.Fprintf(c.ErrOrStderr(), "next: textground prove %s, or: textground segment IMAGE --text \"fish, tree\" --run %s\n", r.Run, r.Run)
}

// carryOut keeps a coordinator and the local workers alive until the run is over. Ending ctx seals and stops.
func carryOut(ctx context.Context, record *RunRecord, f *trainFlags, talk io.Writer) (*coordinator.Result, error) {
	dir := runPath(record.Run)
	if err := usableDevice(record.File.Device); err != nil {
		return nil, err
	}
	if err := prepareStart(record); err != nil {
		return nil, err
	}
	s := newSupervisor(dir, hclog.New(&hclog.LoggerOptions{Name: "train", Output: openLog(dir, "train"), Level: hclog.Info}))
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	s.keep(running, "coordinator", coordinatorArgs(record, f), coordinatorFailures, func(err error) { ended <- err })
	if err := waitForBus(ctx, dir, ended); err != nil {
		s.wait()
		return nil, err
	}
	allLost := func() {}
	if f.listen == "" && record.File.NATS == "" {
		allLost = stop // nobody else can join
	}
	if f.listen != "" {
		printJoinLine(talk, record.Run, f.listen)
	}
	crew := startWorkers(s, record, localDevices(record.File.Device, f.cards), talk, allLost)
	evaluations := startEvaluator(s, record, talk)
	progress := watchProgress(dir, record.File.Steps, f.steps, talk)
	err := <-ended
	crew.end()
	evaluations.finish(ctx, err)
	progress.stop()
	s.wait()
	result, err := finishedResult(dir, err)
	if cause := crew.deserted(); cause != nil {
		err = cause // what the coordinator says of it is a consequence
	}
	return result, err
}

// usableDevice refuses a device that no worker here could open.
func usableDevice(name string) error {
	dev, err := devices.Open(firstOf(name, "auto"), 1)
	if err != nil {
		return badInput(err.Error())
	}
	return dev.Close()
}

// prepareStart forgets how an earlier start ended.
func prepareStart(record *RunRecord) error {
	dir := runPath(record.Run)
	if err := writeRecord(*record); err != nil {
		return err
	}
	for _, name := range []string{coordinator.ResultFile, coordinator.StatusFile, busFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func coordinatorArgs(record *RunRecord, f *trainFlags) []string {
	args := []string{"coordinator", record.Run, "--dir", runsDir, "--supervised", "--page", f.page, "--steps", strconv.Itoa(f.steps), "--min-workers", strconv.Itoa(record.File.Workers)}
	if f.listen != "" {
		args = append(args, "--listen", f.listen)
	}
	if f.mixed {
		args = append(args, "--mixed")
	}
	return args
}

// workerArgs starts a worker on a device, which may be "": the run's.
func workerArgs(record *RunRecord, name, device string) []string {
	threads := record.File.Threads
	if threads == 0 {
		threads = max(1, runtime.NumCPU()/record.File.Workers)
	}
	return []string{"worker", record.Run, "--dir", runsDir, "--supervised", "--name", name, "--threads", strconv.Itoa(threads), "--device", device}
}

// waitForBus returns when the coordinator can be joined, or with the reason why it never will be.
func waitForBus(ctx context.Context, dir string, ended <-chan error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(filepath.Join(dir, busFile)); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case err := <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// finishedResult reads what the coordinator wrote down last.
func finishedResult(dir string, ended error) (*coordinator.Result, error) {
	data, err := os.ReadFile(filepath.Join(dir, coordinator.ResultFile))
	if err != nil {
		if ended == nil {
			ended = err
		}
		return nil, ended
	}
	var r coordinator.Result
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", coordinator.ResultFile, err)
	}
	if ended != nil {
		return &r, causeOf(r.Reason)
	}
	return &r, nil
}

// openLog opens a log of the run for appending; where that fails, the log goes nowhere.
func openLog(dir, name string) io.Writer {
	file, err := os.OpenFile(filepath.Join(dir, "logs", name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return io.Discard
	}
	return file
}

// exactArg wants one argument and says what it is.
func exactArg(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return badInput(fmt.Sprintf("one argument is wanted: %s", what))
		}
		return nil
	}
}

func badInputUnlessTyped(err error) error {
	var input *proto.InputError
	if errors.As(err, &input) {
		return err
	}
	return badInput(err.Error())
}
