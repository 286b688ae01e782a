package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/textground/textground/coordinator"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/examples"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/tcl"
)

// demo is the whole system, once round, with everything under one directory.
type demo struct {
	dir      string
	shuffled bool // the control: every image has another one's caption
	talk     io.Writer
	file     *proto.RunFile
	phases   []demoPhase
	killed   []string
	asJSON   bool
}

type demoPhase struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// demoReport is what the demo comes to.
type demoReport struct {
	Run             string      `json:"run"`
	Before          float64     `json:"miou_before"`
	After           float64     `json:"miou_after"`
	ImagesPerSecond float64     `json:"images_per_second"`
	Killed          []string    `json:"killed"`
	ParamsSHA256    string      `json:"params_sha256"`
	Undisturbed     string      `json:"undisturbed_params_sha256"`
	Equal           bool        `json:"equal"`
	Pictures        string      `json:"pictures"`
	Phases          []demoPhase `json:"phases"`
}

func newDemo() *cobra.Command {
	d := &demo{}
	var require string
	c := &cobra.Command{
		Use: "demo", Short: "The whole system, once round, in a few minutes", Args: cobra.NoArgs,
		Long: `Draw a world of captioned scenes, train a grounder on it with worker processes of which one is killed on the way, save,
stop, resume, measure mIoU against the true masks before and after, write pictures, and train once more undisturbed to show
that the parameters are the same, bit for bit. Everything lies in one directory.`,
		Example: "  textground demo\n  textground demo --require miou>=0.24\n  textground demo --shuffled --demo-dir demo/control",
		RunE: func(c *cobra.Command, _ []string) error {
			goal, err := parseGoal(require)
			if err != nil {
				return err
			}
			d.talk = c.ErrOrStderr()
			report, err := d.run(c.Context())
			if err != nil {
				return err
			}
			d.tell(c.OutOrStdout(), report)
			return report.check(goal, d.shuffled)
		},
	}
	c.Flags().StringVar(&d.dir, "demo-dir", "demo", "directory of everything the demo writes")
	c.Flags().BoolVar(&d.shuffled, "shuffled", false, "the control: captions of other images; exit code 3 when mIoU rises by 2 points or more")
	c.Flags().StringVar(&require, "require", "", "a goal, such as miou>=0.24: exit code 3 when it is missed")
	c.Flags().BoolVar(&d.asJSON, "json", false, "the last line on stdout is one JSON object")
	return c
}

// The steps of the demo at which something happens.
const (
	demoKillAt = 45  // a worker is killed; train starts it again, and it joins
	demoStopAt = 120 // the run stops and is resumed: the first step of phase 2
)

func (d *demo) run(ctx context.Context) (*demoReport, error) {
	runsDir = filepath.Join(d.dir, "runs")
	file, err := proto.ParseRunFile("examples/world.yaml", examples.World)
	if err != nil {
		return nil, err
	}
	d.file = file
	if file.Store, err = absoluteStore(filepath.Join(d.dir, "store")); err != nil {
		return nil, err
	}
	file.Workers = 2
	if d.shuffled {
		file.Data.Shards, file.Data.World.Shuffled = "shards/world-shuffled", true
	}
	report := &demoReport{Run: newRunID(file.Name), Pictures: filepath.Join(d.dir, "pictures")}
	if err := d.disturbed(ctx, report); err != nil {
		return nil, err
	}
	if err := d.undisturbed(ctx, report); err != nil {
		return nil, err
	}
	report.Killed, report.Phases = d.killed, d.phases
	return report, nil
}

// phase times one stretch of the demo.
func (d *demo) phase(name string, do func() error) error {
	fmt.Fprintf(d.talk, "== %s\n", name)
	begun := time.Now()
	err := do()
	d.phases = append(d.phases, demoPhase{name, time.Since(begun).Seconds()})
	return err
}

// disturbed is the run that is killed, stopped and resumed, with mIoU before and after.
func (d *demo) disturbed(ctx context.Context, report *demoReport) error {
	record := &RunRecord{Run: report.Run, Started: time.Now(), Source: "examples/world.yaml", File: *d.file}
	var last *coordinator.Result
	err := d.phase("draw the world and train with two workers, one of which is killed", func() (err error) {
		last, err = d.train(ctx, record, demoStopAt, demoKillAt)
		return err
	})
	if err != nil {
		return err
	}
	err = d.phase("resume on the very step", func() (err error) {
		last, err = d.train(ctx, record, 0, 0)
		return err
	})
	if err != nil {
		return err
	}
	report.ParamsSHA256, report.ImagesPerSecond = last.ParamsSHA256, last.ImagesPerSecond
	return d.phase("measure mIoU on held-out scenes and draw pictures", func() error { return d.measure(ctx, record, report) })
}

// undisturbed is the same run with one worker and no faults, really computed here.
func (d *demo) undisturbed(ctx context.Context, report *demoReport) error {
	return d.phase("train once more, one worker, undisturbed", func() error {
		record := &RunRecord{Run: report.Run + "-alone", Started: time.Now(), Source: "examples/world.yaml", File: *d.file}
		record.File.Workers, record.File.Evaluation.Every = 1, 0
		result, err := d.train(ctx, record, 0, 0)
		if err != nil {
			return err
		}
		report.Undisturbed = result.ParamsSHA256
		report.Equal = report.Undisturbed == report.ParamsSHA256 && report.ParamsSHA256 != ""
		return nil
	})
}

// train carries the run on; after killAt committed steps, if not 0, one worker is killed.
func (d *demo) train(ctx context.Context, record *RunRecord, steps, killAt int) (*coordinator.Result, error) {
	flags := &trainFlags{steps: steps, page: "127.0.0.1:0"}
	watching, stop := context.WithCancel(ctx)
	var killer sync.WaitGroup
	if killAt > 0 {
		killer.Go(func() { d.killOne(watching, record.Run, killAt) })
	}
	result, err := carryOut(ctx, record, flags, d.talk)
	stop()
	killer.Wait()
	if err == nil && ctx.Err() != nil {
		err = context.Canceled
	}
	return result, err
}

// killOne waits for the step and kills a worker with SIGKILL.
func (d *demo) killOne(ctx context.Context, run string, at int) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s, err := coordinator.ReadStatus(runPath(run))
		if err != nil || s.Committed+1 < at || len(s.Workers) < 2 {
			continue
		}
		victim := s.Workers[1]
		if victim.PID > 1 && syscall.Kill(victim.PID, syscall.SIGKILL) == nil {
			d.killed = append(d.killed, fmt.Sprintf("%s (pid %d) in step %d", victim.Name, victim.PID, s.Step))
			fmt.Fprintf(d.talk, "killed %s (pid %d) in step %d\n", victim.Name, victim.PID, s.Step)
		}
		return
	}
}

// measure evaluates the untrained and the trained grounder and writes the pictures.
func (d *demo) measure(ctx context.Context, record *RunRecord, report *demoReport) error {
	m, err := newMeasurer(record, 0)
	if err != nil {
		return err
	}
	defer m.close()
	sealed, _, err := sealedGrounder(ctx, record, m.config)
	if err != nil {
		return err
	}
	after := sealed.Flat(tcl.Trainables(m.config))
	if report.Before, err = d.evaluate(ctx, m, m.before); err != nil {
		return err
	}
	if report.After, err = d.evaluate(ctx, m, after); err != nil {
		return err
	}
	return d.pictures(m, after, report)
}

func (d *demo) evaluate(ctx context.Context, m *measurer, params []float32) (float64, error) {
	count := newCounter(d.talk, "scenes", m.file.Evaluation.Scenes)
	defer count.stop()
	return m.evaluate(ctx, params, m.file.Evaluation.Scenes, count.set)
}

// demoRows is the number of scenes on the demo's sheet.
const demoRows = 8

// pictures writes a sheet of scenes with true masks and masks before and after, and one scene as a JPEG to play with.
func (d *demo) pictures(m *measurer, after []float32, report *demoReport) error {
	e := m.file.Evaluation
	sheet, err := m.sheet(e.Scenes, demoRows, after, "held-out scenes", fmt.Sprintf("before: mIoU %.1f %%", 100*report.Before), fmt.Sprintf("after: mIoU %.1f %%", 100*report.After))
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(report.Pictures, "masks.png"), bytesOf(sheet)); err != nil {
		return err
	}
	return writeFile(filepath.Join(d.dir, "scene.jpg"), bytesOf(world.Draw(e.Seed, world.EvalFirst).JPEG()))
}

// bytesOf is what writeFile writes where everything is at hand.
func bytesOf(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// learnsNothing is the gain in mIoU below which the control has learned nothing.
const learnsNothing = 0.02

// check compares with what was required: the digest always, the mIoU where asked, and of the control that it did not learn.
func (r *demoReport) check(g goal, shuffled bool) error {
	if !r.Equal {
		return &goalError{fmt.Sprintf("the disturbed run came to other parameters (%.12s) than the undisturbed one (%.12s)", r.ParamsSHA256, r.Undisturbed)}
	}
	if shuffled && r.After >= r.Before+learnsNothing {
		return &goalError{fmt.Sprintf("the control learned from captions of other images: mIoU rose from %s to %s %%, and must end below %.1f", percent(&r.Before), percent(&r.After), 100*(r.Before+learnsNothing))}
	}
	return g.check(&r.After)
}

func (d *demo) tell(out io.Writer, r *demoReport) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "mIoU before (plain MaskCLIP upsampler)\t%.1f %%\n", 100*r.Before)
	fmt.Fprintf(table, "mIoU after %d steps\t%.1f %%\t(%d held-out scenes, %d nouns and background, threshold %g)\n", d.file.Steps, 100*r.After, d.file.Evaluation.Scenes, 16, d.file.Evaluation.Threshold)
	fmt.Fprintf(table, "images/s\t%.1f\n", r.ImagesPerSecond)
	fmt.Fprintf(table, "killed\t%s\n", strings.Join(r.Killed, ", "))
	fmt.Fprintf(table, "parameters, disturbed\t%s\n", r.ParamsSHA256)
	fmt.Fprintf(table, "parameters, undisturbed\t%s\n", r.Undisturbed)
	fmt.Fprintf(table, "equal, bit for bit\t%v\n", r.Equal)
	for _, p := range r.Phases {
		fmt.Fprintf(table, "%s\t%.1f s\n", p.Name, p.Seconds)
	}
	fmt.Fprintf(table, "pictures\t%s\n", r.Pictures)
	table.Flush()
	if d.asJSON {
		_ = json.NewEncoder(out).Encode(r) // to a terminal or a pipe whose reader may have gone
	}
	fmt.Fprintf(d.talk, "next: textground prove --dir %s, or: textground segment %s/scene.jpg --text \"fish, tree, house\" --dir %s\n", runsDir, d.dir, runsDir)
}

// writeFile creates path and its directory.
func writeFile(path string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
