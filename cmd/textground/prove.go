package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/coordinator"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/tcl"
	"github.com/textground/textground/worker"
)

// proof is what prove says, for --json too.
type proof struct {
	Run          string   `json:"run"`
	From         int      `json:"from"` // steps committed at the beginning of the stretch
	To           int      `json:"to"`
	Equal        bool     `json:"equal"`
	Difference   string   `json:"difference,omitempty"`
	ParamsSHA256 string   `json:"params_sha256"`
	Recorded     string   `json:"recorded_params_sha256"`
	Faults       []string `json:"faults"`
	Seconds      float64  `json:"seconds"`
}

func newProve() *cobra.Command {
	var from, to, threads int
	var asJSON bool
	c := &cobra.Command{
		Use: "prove [RUN]", Short: "Compute a stretch of a run again, alone and undisturbed, and compare every bit", Args: cobra.MaximumNArgs(1),
		Long: `Compute a stretch of a run again in this one process, without coordinator, bus or faults, and compare: the parameter
digest of every step with the run's record, and parameters and moments with the sealed checkpoint at its end.
Exit code 3 when anything differs.`,
		Example: "  textground prove                 the latest run, from its initial state to its newest checkpoint\n  textground prove --from 60 --to 120",
		RunE: func(c *cobra.Command, args []string) error {
			record, err := chooseRun(strings.Join(args, ""))
			if err != nil {
				return err
			}
			p, err := prove(c.Context(), record, from, to, threads, c.ErrOrStderr())
			if err != nil {
				return err
			}
			return p.tell(c.OutOrStdout(), asJSON)
		},
	}
	c.Flags().IntVar(&from, "from", 0, "begin at the checkpoint after so many steps (0: the initial state)")
	c.Flags().IntVar(&to, "to", 0, "end at the checkpoint after so many steps (0: the newest)")
	c.Flags().IntVar(&threads, "threads", 0, "threads (0: all cores)")
	c.Flags().BoolVar(&asJSON, "json", false, "the last line on stdout is one JSON object")
	return c
}

// tell prints the verdict; a difference is a missed goal.
func (p *proof) tell(out io.Writer, asJSON bool) error {
	if asJSON {
		_ = json.NewEncoder(out).Encode(p) // what it says is the exit code too
	} else {
		fmt.Fprintf(out, "run %s, steps %d to %d, computed again alone in %.1f s\n", p.Run, p.From, p.To, p.Seconds)
		for _, f := range p.Faults {
			fmt.Fprintf(out, "  then: %s\n", f)
		}
		fmt.Fprintf(out, "parameters then %s\nparameters now  %s\n", p.Recorded, p.ParamsSHA256)
	}
	if !p.Equal {
		return &goalError{"not equal: " + p.Difference}
	}
	if !asJSON {
		fmt.Fprintln(out, "equal, bit for bit")
	}
	return nil
}

// prove computes steps from..to-1 again.
func prove(ctx context.Context, record *RunRecord, from, to, threads int, talk io.Writer) (*proof, error) {
	a, err := assemble(ctx, &record.File)
	if err != nil {
		return nil, err
	}
	dev, err := devices.Open(firstOf(record.File.Device, "auto"), threads)
	if err != nil {
		return nil, badInput(err.Error())
	}
	defer dev.Close()
	model, err := a.trainingModel(dev)
	if err != nil {
		return nil, err
	}
	defer model.Close()
	loader, err := a.loader(2, hclog.NewNullLogger())
	if err != nil {
		return nil, err
	}
	defer loader.Close()
	p := &proof{Run: record.Run, From: from}
	goal, err := p.load(ctx, a, record, model, from, to)
	if err != nil || p.Difference != "" {
		return p, err
	}
	solo := &worker.Solo{Model: model, Loader: loader, Schedule: a.schedule(), Seed: record.File.Seed, Lanes: record.File.Lanes(), NoiseLen: record.File.MicroBatch * a.config.Positions()}
	begun := time.Now()
	if err := p.compute(ctx, solo, record, talk); err != nil {
		return nil, err
	}
	p.Seconds = time.Since(begun).Seconds()
	return p, p.compare(model, goal)
}

// load puts the model to the beginning of the stretch and returns the sealed state at its end. A record that cannot be read
// any more is a difference, not a failure: it is what prove is there to find.
func (p *proof) load(ctx context.Context, a *assembly, record *RunRecord, model *tcl.Model, from, to int) (*checkpoint.State, error) {
	run := &sealedRun{record, a.store, checkpoint.Lineage{Run: record.Run, Number: record.Lineage}}
	begin := a.initialState()
	if from > 0 {
		sealed, _, err := run.load(ctx, from)
		if err != nil {
			return nil, p.orDifference(err)
		}
		begin = tcl.State{Params: sealed.Flat(checkpoint.Param), M1: sealed.Flat(checkpoint.FirstMoment), M2: sealed.Flat(checkpoint.SecondMoment)}
	}
	goal, manifest, err := run.load(ctx, to)
	if err != nil {
		return nil, p.orDifference(err)
	}
	if p.To, p.Recorded = manifest.Step, manifest.ParamsSHA256; from >= p.To {
		return nil, badInput(fmt.Sprintf("--from %d must come before --to %d", from, p.To))
	}
	return goal, model.SetState(begin)
}

// load reads and verifies the checkpoint after n steps, or the newest for 0.
func (r *sealedRun) load(ctx context.Context, n int) (*checkpoint.State, *checkpoint.Manifest, error) {
	manifest, err := r.at(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	state, err := checkpoint.Load(ctx, r.store, manifest)
	return state, manifest, err
}

func (p *proof) orDifference(err error) error {
	if errors.Is(err, checkpoint.ErrDamaged) {
		p.Difference = "the record itself has changed: " + err.Error()
		return nil
	}
	return err
}

// compute takes the steps and compares each digest with the record.
func (p *proof) compute(ctx context.Context, solo *worker.Solo, record *RunRecord, talk io.Writer) error {
	metrics, err := coordinator.ReadMetrics(runPath(record.Run))
	if err != nil {
		return err
	}
	then := map[int]string{}
	for _, m := range metrics {
		then[m.Step] = m.Digest
	}
	if err := p.faults(record); err != nil {
		return err
	}
	count := newCounter(talk, "steps", p.To-p.From)
	defer count.stop()
	for step := p.From; step < p.To; step++ {
		if _, _, err := solo.Step(ctx, step); err != nil {
			return err
		}
		digest, err := solo.Model.Digest()
		if err != nil {
			return err
		}
		if recorded, ok := then[step]; ok && recorded != digest && p.Difference == "" {
			p.Difference = fmt.Sprintf("after step %d the parameters had digest %.12s in the run's record, and have %.12s now", step, recorded, digest)
		}
		count.set(step - p.From + 1)
	}
	return nil
}

// faults lists what happened in the stretch when it was computed first.
func (p *proof) faults(record *RunRecord) error {
	journal, err := coordinator.ReadJournal(runPath(record.Run))
	for _, e := range journal {
		if e.Fault && e.Step >= p.From && e.Step < p.To {
			p.Faults = append(p.Faults, fmt.Sprintf("step %d: %s", e.Step, e.Text))
		}
	}
	return err
}

// compare holds parameters and moments against the sealed state.
func (p *proof) compare(model *tcl.Model, goal *checkpoint.State) error {
	state, err := model.State()
	if err != nil {
		return err
	}
	p.ParamsSHA256 = tcl.ParamsSHA256(state.Params)
	for _, part := range []struct {
		what string
		now  []float32
		then checkpoint.Kind
	}{{"parameters", state.Params, checkpoint.Param}, {"first moments", state.M1, checkpoint.FirstMoment}, {"second moments", state.M2, checkpoint.SecondMoment}} {
		if p.Difference == "" && tcl.ParamsSHA256(part.now) != tcl.ParamsSHA256(goal.Flat(part.then)) {
			p.Difference = fmt.Sprintf("the %s of step %d are others now", part.what, p.To)
		}
	}
	p.Equal = p.Difference == ""
	return nil
}
