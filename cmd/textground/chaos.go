package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/textground/textground/coordinator"
)

func newChaos() *cobra.Command {
	c := &cobra.Command{Use: "chaos", Short: "Break a running run on purpose, to see that nothing is lost"}
	var random bool
	kill := &cobra.Command{
		Use: "kill {WORKER|coordinator|--random} [RUN]", Short: "Kill a process of a run with SIGKILL", Args: cobra.MaximumNArgs(2),
		Example: "  textground chaos kill worker-2\n  textground chaos kill coordinator\n  textground chaos kill --random world-a1b2c",
		RunE: func(c *cobra.Command, args []string) error {
			victim, id, err := victimAndRun(args, random)
			if err != nil {
				return err
			}
			run, err := chooseRun(id)
			if err != nil {
				return err
			}
			status, err := coordinator.ReadStatus(runPath(run.Run))
			if err != nil {
				return badInput(fmt.Sprintf("run %s has no status yet; try again when it has started", run.Run))
			}
			name, pid, err := pickVictim(status, victim)
			if err != nil {
				return err
			}
			if err := killProcess(pid); err != nil {
				return fmt.Errorf("kill %s (pid %d): %w", name, pid, err)
			}
			fmt.Fprintf(c.OutOrStdout(), "killed %s (pid %d) of run %s in step %d\nnext: textground ps %s\n", name, pid, run.Run, status.Step, run.Run)
			return nil
		},
	}
	kill.Flags().BoolVar(&random, "random", false, "any worker")
	c.AddCommand(kill)
	return c
}

// victimAndRun sorts the arguments out: the victim is left out with --random.
func victimAndRun(args []string, random bool) (victim, run string, err error) {
	if random {
		args = append([]string{""}, args...)
	}
	switch len(args) {
	case 0:
		return "", "", badInput("say whom: textground chaos kill worker-1, or coordinator, or --random")
	case 1:
		return args[0], "", nil
	case 2:
		return args[0], args[1], nil
	}
	return "", "", badInput("too many arguments; one victim and one run at most")
}

// pickVictim finds the process called name; an empty name is any worker of this machine.
func pickVictim(s *coordinator.Status, name string) (string, int, error) {
	if name == "coordinator" {
		return name, s.PID, nil
	}
	host, _ := os.Hostname()
	var candidates []coordinator.WorkerStatus
	var names []string
	for _, w := range s.Workers {
		if w.Host == host && w.Member() && (name == "" || w.Name == name) {
			candidates = append(candidates, w)
		}
		names = append(names, w.Name)
	}
	if len(candidates) == 0 {
		return "", 0, badInput(fmt.Sprintf("run %s has no living worker %q on this machine; its workers: %v", s.Run, name, names))
	}
	which, err := rand.Int(rand.Reader, big.NewInt(int64(len(candidates))))
	if err != nil {
		return "", 0, err
	}
	w := candidates[which.Int64()]
	return w.Name, w.PID, nil
}

// killProcess refuses process ids that cannot be a worker's.
func killProcess(pid int) error {
	if pid <= 1 {
		return errors.New("there is no such process")
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}
