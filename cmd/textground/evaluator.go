package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/coordinator"
)

// evaluator measures a run on its way: the untrained grounder, and then the first checkpoint at or after every multiple of
// evaluation.every, on a few held-out scenes. It is a process of its own with one thread and the lowest priority. It reads
// what is sealed and writes what only people look at, so no number of the run depends on it, and an evaluation that fails
// is a line of its log.
type evaluator struct {
	*measurer
	run    *sealedRun
	dir    string
	every  int
	last   int // step of the last evaluation that was tried; -1 for none
	before *float64
	log    hclog.Logger
}

// Held-out scenes that are measured on the way, and those of them on the picture. The demo and eval measure all.
const (
	probeScenes = 24
	probeRows   = 2
)

func newEvaluator() *cobra.Command {
	var supervised bool
	c := &cobra.Command{
		Use: "evaluator RUN", Short: "Measure a run on its way (train starts one by itself)", Args: exactArg("a run id"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, cancel := parentGone(c.Context(), supervised)
			defer cancel()
			if supervised {
				lowerPriority()
			}
			record, err := readRecord(args[0])
			if err != nil {
				return err
			}
			if record.File.Evaluation.Every == 0 {
				return badInput(fmt.Sprintf("run %s asks for no evaluation on its way (evaluation.every); measure it with: textground eval world --run %s", record.Run, record.Run))
			}
			err = follow(ctx, record, newLog("evaluator", os.Stderr))
			if ctx.Err() != nil && supervised {
				return nil
			}
			return err
		},
	}
	c.Flags().BoolVar(&supervised, "supervised", false, "end when standard input ends, and give way to others")
	return c
}

// follow evaluates what is sealed until the run is over.
func follow(ctx context.Context, record *RunRecord, log hclog.Logger) error {
	e, err := openEvaluator(ctx, record, log)
	if err != nil {
		return err
	}
	defer e.close()
	if e.last < 0 {
		e.take(ctx, 0, func() ([]float32, error) { return e.measurer.before, nil })
	}
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for seen := ""; ; {
		_, err := os.Stat(filepath.Join(e.dir, coordinator.ResultFile))
		over := err == nil // seen before the look at the store, so that the last checkpoint is not missed
		if now := e.sealed(); over || now != seen {
			seen = now
			e.catchUp(ctx)
		}
		if over {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func openEvaluator(ctx context.Context, record *RunRecord, log hclog.Logger) (*evaluator, error) {
	run, err := openSealed(ctx, record.Run)
	if err != nil {
		return nil, err
	}
	dir := runPath(record.Run)
	known, err := coordinator.ReadEvaluations(dir)
	if err != nil {
		return nil, err
	}
	m, err := newMeasurer(record, 1)
	if err != nil {
		return nil, err
	}
	e := &evaluator{measurer: m, run: run, dir: dir, every: record.File.Evaluation.Every, last: -1, log: log}
	for _, k := range known {
		e.last = max(e.last, k.Step)
		if k.Step == 0 {
			e.before = &k.MIoU
		}
	}
	return e, nil
}

// sealed says what the run says of its newest checkpoint: worth a look at the store whenever it changes.
func (e *evaluator) sealed() string {
	s, err := coordinator.ReadStatus(e.dir)
	if err != nil {
		return "unknown"
	}
	return fmt.Sprint(s.Sealed)
}

// catchUp evaluates the checkpoints that are due, in order.
func (e *evaluator) catchUp(ctx context.Context) {
	entries, err := checkpoint.List(ctx, e.run.store, e.run.lineage)
	if err != nil {
		e.log.Warn("the checkpoints could not be listed; they are at the next", "error", err)
		return
	}
	for _, entry := range entries {
		if ctx.Err() == nil && entry.Problem == nil && due(e.last, e.every, entry.Step) {
			e.take(ctx, entry.Step, func() ([]float32, error) {
				state, err := checkpoint.Load(ctx, e.run.store, entry.Manifest)
				if err != nil {
					return nil, err
				}
				return state.Flat(checkpoint.Param), nil
			})
		}
	}
}

// due reports whether a checkpoint is the first at or after a multiple of every since the last evaluation.
func due(last, every, step int) bool { return step/every > max(last, 0)/every }

// take evaluates the parameters after so many steps; whatever comes of it, it is not tried again by this process.
func (e *evaluator) take(ctx context.Context, step int, params func() ([]float32, error)) {
	e.last = step
	begun := time.Now()
	miou, err := e.evaluateStep(ctx, step, params)
	switch {
	case ctx.Err() != nil: // the run ends; whoever goes on with it takes this step again
	case err != nil:
		e.log.Warn("an evaluation failed; the run goes on without it", "step", step, "error", err)
	default:
		e.log.Info("evaluated", "step", step, "miou", miou, "seconds", time.Since(begun).Seconds())
	}
}

func (e *evaluator) evaluateStep(ctx context.Context, step int, read func() ([]float32, error)) (miou float64, err error) {
	params, err := read()
	if err != nil {
		return 0, err
	}
	scenes := min(probeScenes, e.file.Evaluation.Scenes)
	if miou, err = e.evaluate(ctx, params, scenes, nil); err != nil {
		return 0, err
	}
	if step == 0 {
		e.before = &miou
	}
	picture, err := e.sheet(scenes, probeRows, params, fmt.Sprintf("held-out scenes after %d steps", step),
		fmt.Sprintf("before: mIoU %s %%", percent(e.before)), fmt.Sprintf("step %d: mIoU %s %%", step, percent(&miou)))
	if err != nil {
		return 0, err
	}
	return miou, coordinator.AddEvaluation(e.dir, coordinator.Evaluation{Step: step, MIoU: miou, Scenes: scenes}, picture)
}

// evaluations is the evaluator process of a run, as train sees it.
type evaluations struct {
	end  context.CancelFunc
	done chan struct{}
}

// evaluatorLives is how often the evaluator of a run may die, of whatever cause, before the run goes on without: one that
// the machine has no room for must not come back for ever.
const evaluatorLives = 3

// startEvaluator starts the evaluator of a run that asks for one.
func startEvaluator(s *supervisor, record *RunRecord, talk io.Writer) *evaluations {
	ctx, end := context.WithCancel(context.Background())
	e := &evaluations{end: end, done: make(chan struct{})}
	if record.File.Evaluation.Every == 0 {
		close(e.done)
		return e
	}
	s.wg.Go(func() {
		defer close(e.done)
		var err error
		for range evaluatorLives {
			if err = s.once(ctx, "evaluator", []string{"evaluator", record.Run, "--dir", runsDir, "--supervised"}); err == nil || ctx.Err() != nil {
				return
			}
		}
		words, _ := s.lastWords("evaluator", err)
		fmt.Fprintf(talk, "the run goes on without evaluations: %s\n", words)
	})
	return e
}

// evaluateWithin bounds how long a finished run waits for its last evaluation.
const evaluateWithin = time.Minute

// finish waits for the evaluation of the last checkpoint, unless the run was interrupted or failed.
func (e *evaluations) finish(ctx context.Context, failed error) {
	defer e.end()
	if failed != nil {
		return
	}
	select {
	case <-e.done:
	case <-ctx.Done():
	case <-time.After(evaluateWithin):
	}
}
