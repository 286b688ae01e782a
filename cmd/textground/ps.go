package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/textground/textground/coordinator"
)

func newPs() *cobra.Command {
	var asJSON, all bool
	c := &cobra.Command{
		Use: "ps [RUN]", Short: "Who computes what: workers, steps, lanes", Args: cobra.MaximumNArgs(1),
		Example: "  textground ps            the latest run\n  textground ps --json     for scripts: workers with name, pid, step, lanes, device\n  textground ps --all      every run of this machine",
		RunE: func(c *cobra.Command, args []string) error {
			if all {
				return printRuns(c.OutOrStdout(), asJSON)
			}
			run, err := chooseRun(strings.Join(args, ""))
			if err != nil {
				return err
			}
			status, err := coordinator.ReadStatus(runPath(run.Run))
			if err != nil {
				return badInput(fmt.Sprintf("run %s has no status yet; is it starting? its log: %s", run.Run, runPath(run.Run)+"/logs/coordinator.log"))
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(status)
			}
			printStatus(c.OutOrStdout(), status)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	c.Flags().BoolVar(&all, "all", false, "every run of this machine")
	return c
}

func printStatus(w io.Writer, s *coordinator.Status) {
	fmt.Fprintf(w, "run %s: %s, %d of %d steps committed, %.1f images/s, coordinator epoch %d (pid %d)\n", s.Run, s.Mode, s.Committed+1, s.Steps, s.ImagesPerSecond, s.Epoch, s.PID)
	fmt.Fprintln(w, s.Waiting)
	if s.Page != "" {
		fmt.Fprintf(w, "page %s\n", s.Page)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WORKER\tPID\tSTEP\tLANES\tDEVICE\tDOING")
	for _, k := range s.Workers {
		doing := k.Doing
		if !k.Member() {
			doing = fmt.Sprintf("(%s) %s", k.Role, doing)
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\t%s\n", k.Name, k.PID, k.Step, strings.Trim(fmt.Sprint(k.Lanes), "[]"), k.Device, doing)
	}
	table.Flush()
	fmt.Fprintf(w, "next: textground chaos kill --random %s\n", s.Run)
}

func printRuns(w io.Writer, asJSON bool) error {
	runs := allRuns()
	if asJSON {
		return json.NewEncoder(w).Encode(runs)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RUN\tSTARTED\tMODE\tSTEPS")
	for _, r := range runs {
		mode, steps := "unknown", "-"
		if s, err := coordinator.ReadStatus(runPath(r.Run)); err == nil {
			mode, steps = s.Mode, fmt.Sprintf("%d/%d", s.Committed+1, s.Steps)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.Run, r.Started.Format("2006-01-02 15:04"), mode, steps)
	}
	return table.Flush()
}
