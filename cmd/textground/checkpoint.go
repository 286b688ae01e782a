package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/store"
)

func newCheckpoint() *cobra.Command {
	c := &cobra.Command{Use: "checkpoint", Short: "Sealed states of runs: list, look at, verify, compare, copy"}
	c.AddCommand(newCheckpointLs(), newCheckpointShow(), newCheckpointVerify(), newCheckpointDiff(), newCheckpointCopy())
	return c
}

// sealedRun is a run's lineage in its store.
type sealedRun struct {
	record  *RunRecord
	store   store.Store
	lineage checkpoint.Lineage
}

func openSealed(ctx context.Context, id string) (*sealedRun, error) {
	record, err := chooseRun(id)
	if err != nil {
		return nil, err
	}
	st, err := openStore(ctx, record.File.Store)
	if err != nil {
		return nil, err
	}
	return &sealedRun{record, st, checkpoint.Lineage{Run: record.Run, Number: record.Lineage}}, nil
}

// manifest reads the checkpoint of step, or the newest for an empty text.
func (r *sealedRun) manifest(ctx context.Context, step string) (*checkpoint.Manifest, error) {
	n := 0
	if step != "" {
		var err error
		if n, err = strconv.Atoi(step); err != nil || n < 1 {
			return nil, badInput(fmt.Sprintf("%q is no number of steps; list them with: textground checkpoint ls %s", step, r.record.Run))
		}
	}
	return r.at(ctx, n)
}

// at reads the checkpoint after n steps, or the newest for 0. One that was never sealed is bad input; one that is there and
// damaged is not.
func (r *sealedRun) at(ctx context.Context, n int) (*checkpoint.Manifest, error) {
	entries, err := checkpoint.List(ctx, r.store, r.lineage)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, badInput(fmt.Sprintf("run %s has no checkpoint in %s yet", r.record.Run, r.store))
	}
	var steps []string
	for i, e := range entries {
		if e.Step == n || n == 0 && i == len(entries)-1 {
			return e.Manifest, e.Problem
		}
		steps = append(steps, strconv.Itoa(e.Step))
	}
	return nil, badInput(fmt.Sprintf("run %s has no checkpoint of step %d; it has %s", r.record.Run, n, strings.Join(steps, ", ")))
}

func newCheckpointLs() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "ls [RUN]", Short: "The checkpoints of a run", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			run, err := openSealed(c.Context(), strings.Join(args, ""))
			if err != nil {
				return err
			}
			entries, err := checkpoint.List(c.Context(), run.store, run.lineage)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(summaries(entries))
			}
			table := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "STEP\tSEALED\tEPOCH\tMB\tPARAMETERS\tPROBLEM")
			for _, s := range summaries(entries) {
				fmt.Fprintf(table, "%d\t%s\t%d\t%.1f\t%.12s\t%s\n", s.Step, s.Sealed, s.Epoch, float64(s.Bytes)/1e6, s.ParamsSHA256, s.Problem)
			}
			return table.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON list")
	return c
}

// checkpointSummary is a line of checkpoint ls.
type checkpointSummary struct {
	Step         int    `json:"step"`
	Sealed       string `json:"sealed"`
	Epoch        int    `json:"epoch"`
	Bytes        int64  `json:"bytes"`
	ParamsSHA256 string `json:"params_sha256"`
	Problem      string `json:"problem,omitempty"`
}

func summaries(entries []checkpoint.Entry) []checkpointSummary {
	list := []checkpointSummary{}
	for _, e := range entries {
		s := checkpointSummary{Step: e.Step}
		if e.Problem != nil {
			s.Problem = e.Problem.Error()
		}
		if m := e.Manifest; m != nil {
			s.Sealed, s.Epoch, s.ParamsSHA256 = m.Sealed.Format("2006-01-02T15:04:05Z"), m.Epoch, m.ParamsSHA256
			for _, v := range m.Volumes {
				s.Bytes += v.Bytes
			}
		}
		list = append(list, s)
	}
	return list
}

func newCheckpointShow() *cobra.Command {
	return &cobra.Command{
		Use: "show RUN [STEP]", Short: "A manifest, as JSON", Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			run, err := openSealed(c.Context(), args[0])
			if err != nil {
				return err
			}
			m, err := run.manifest(c.Context(), strings.Join(args[1:], ""))
			if err != nil {
				return err
			}
			encoder := json.NewEncoder(c.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(m)
		},
	}
}

func newCheckpointVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify [RUN]", Short: "Read every checkpoint of a run back and compare every digest", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			run, err := openSealed(c.Context(), strings.Join(args, ""))
			if err != nil {
				return err
			}
			entries, err := checkpoint.List(c.Context(), run.store, run.lineage)
			if err != nil {
				return err
			}
			bad := 0
			for _, e := range entries {
				err := e.Problem
				if err == nil {
					err = checkpoint.Verify(c.Context(), run.store, e.Manifest, true)
				}
				if err != nil {
					bad++
					fmt.Fprintf(c.OutOrStdout(), "step %d: %v\n", e.Step, err)
					continue
				}
				fmt.Fprintf(c.OutOrStdout(), "step %d: sound, parameters %s\n", e.Step, e.Manifest.ParamsSHA256)
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d checkpoints of run %s are not sound; resume goes on from the newest that is", bad, len(entries), run.record.Run)
			}
			return nil
		},
	}
}

func newCheckpointDiff() *cobra.Command {
	return &cobra.Command{
		Use: "diff RUN STEP RUN STEP", Short: "Compare two checkpoints tensor by tensor (exit code 3 when they differ)", Args: cobra.ExactArgs(4),
		RunE: func(c *cobra.Command, args []string) error {
			var states [2]*checkpoint.State
			for i := range states {
				run, err := openSealed(c.Context(), args[2*i])
				if err != nil {
					return err
				}
				m, err := run.manifest(c.Context(), args[2*i+1])
				if err != nil {
					return err
				}
				if states[i], err = checkpoint.Load(c.Context(), run.store, m); err != nil {
					return err
				}
			}
			diffs, err := checkpoint.Diff(states[0], states[1])
			if err != nil {
				return err
			}
			different := 0
			for _, d := range diffs {
				if !d.Equal() {
					different++
					fmt.Fprintf(c.OutOrStdout(), "%s: %d values differ, by at most %g\n", d.Tensor, d.Different, d.MaxAbs)
				}
			}
			if different > 0 {
				return &goalError{fmt.Sprintf("%d of %d tensors differ", different, len(diffs))}
			}
			fmt.Fprintf(c.OutOrStdout(), "%d tensors, equal bit for bit\n", len(diffs))
			return nil
		},
	}
}

func newCheckpointCopy() *cobra.Command {
	return &cobra.Command{
		Use: "copy RUN URL", Short: "Copy a run's checkpoints to another store", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			run, err := openSealed(c.Context(), args[0])
			if err != nil {
				return err
			}
			to, err := openStore(c.Context(), args[1])
			if err != nil {
				return err
			}
			report, err := checkpoint.Copy(c.Context(), run.store, to, run.record.Run)
			if err != nil {
				return err
			}
			for _, s := range report.Skipped {
				fmt.Fprintln(c.ErrOrStderr(), s)
			}
			fmt.Fprintf(c.OutOrStdout(), "%d checkpoints copied to %s\n", len(report.Copied), to)
			return nil
		},
	}
}
