package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/textground/textground/proto"
	"github.com/textground/textground/tcl"
)

func newPlan() *cobra.Command {
	var f trainFlags
	c := &cobra.Command{
		Use: "plan RUN.yaml", Short: "What a run will read and hold, before money is spent", Args: exactArg("a run file"),
		Example: "  textground plan examples/world.yaml\n  textground plan examples/world.yaml --store s3://bucket/prefix --steps 1000",
		RunE: func(c *cobra.Command, args []string) error {
			file, err := proto.ReadRunFile(args[0])
			if err != nil {
				return badInputUnlessTyped(err)
			}
			if err := f.apply(file); err != nil {
				return err
			}
			a, err := openDrawn(c.Context(), file, newLog("plan", c.ErrOrStderr()))
			if err != nil {
				return err
			}
			steps := file.Steps
			if f.steps > 0 {
				steps = min(steps, f.steps)
			}
			summary := a.plan.Describe(steps)
			if f.asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(summary)
			}
			out := c.OutOrStdout()
			fmt.Fprintf(out, "%d pairs, fingerprint %.12s; %d steps of %d pairs are %.2f epochs\n", summary.Samples, a.index.Fingerprint, steps, file.Batch, summary.Epochs)
			fmt.Fprintf(out, "%d lanes of %d; a lane has at most %d shards open; shuffle distance %.0f places; %.1f MB read in all\n", file.Lanes(), file.MicroBatch, summary.OpenShards, summary.ShuffleDistance, float64(summary.Bytes)/1e6)
			fmt.Fprintf(out, "gradients a step: %d values in phase 1, %d from step %d on; a checkpoint is %.1f MB\n", tcl.GradientLen(a.config, 1), tcl.GradientLen(a.config, 2), file.Phase2From, 12*float64(tcl.GradientLen(a.config, 2))/1e6)
			table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "LANE\tPAIRS OF ITS OWN\tSHARDS\tMB")
			for _, l := range summary.Lanes {
				fmt.Fprintf(table, "%d\t%d\t%d\t%.1f\n", l.Lane, l.Places, l.Shards, float64(l.Bytes)/1e6)
			}
			table.Flush()
			fmt.Fprintf(c.ErrOrStderr(), "next: textground train %s\n", args[0])
			return nil
		},
	}
	c.Flags().IntVar(&f.steps, "steps", 0, "plan so many steps")
	c.Flags().StringVar(&f.store, "store", "", "where the shards are")
	c.Flags().BoolVar(&f.asJSON, "json", false, "one JSON object")
	return c
}
