// Command textground trains text-grounded segmenters on any number of machines. One file a verb; this package only wires
// the other packages together.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/textground/textground/kernels/cuda"
	"github.com/textground/textground/proto"
)

// Exit codes, as the manual tables them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitBadInput    = 2
	exitGoalMissed  = 3 // finished, but what was required or claimed does not hold
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(exitCode(execute(ctx)))
}

// execute runs the command line. A device whose memory is full panics, because operations return no errors; that is an
// ordinary end of the command.
func execute(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			full, ok := r.(cuda.OutOfMemory)
			if !ok {
				panic(r)
			}
			err = badInput(full.Error())
		}
	}()
	return newRoot().ExecuteContext(ctx)
}

// newRoot returns the command tree.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "textground",
		Short: "Train text-grounded segmenters: the same bits, whatever the number of workers and whatever dies on the way",
		Example: `  textground doctor                                  what this machine can do
  textground demo                                    the whole system, once round, in a few minutes
  textground train examples/tiny.yaml --workers 3    a run of seconds
  textground resume                                  go on where the latest run stopped
  textground segment cat.jpg --text "cat|kitten, tree"`,
		SilenceErrors: true, SilenceUsage: true,
		SuggestionsMinimumDistance: 3,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVar(&runsDir, "dir", envOr("TEXTGROUND_DIR", "runs"), "directory of the runs on this machine")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return badInput(flagHint(c, err)) })
	root.AddGroup(&cobra.Group{ID: "daily", Title: "Daily:"}, &cobra.Group{ID: "look", Title: "Look inside:"}, &cobra.Group{ID: "parts", Title: "Parts:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("daily", newDemo(), newTrain(), newResume(), newPs(), newSegment(), newEval(), newIngest(), newDoctor())
	add("look", newProve(), newPlan(), newChaos(), newVerify(), newCheckpoint(), newImport(), newExport(), newData(), newBench(), newVersion())
	add("parts", newCoordinator(), newWorker(), newEvaluator(), newCLIP())
	strict(root)
	return root
}

// strict makes wrong words and wrong counts of arguments bad input, in every command alike: cobra prints help and succeeds
// for an unknown verb of a group.
func strict(c *cobra.Command) {
	if c.HasSubCommands() && c.HasParent() {
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return badInput(fmt.Sprintf("%s has no command %q; it has %s", c.CommandPath(), args[0], strings.Join(verbs(c), ", ")))
		}
	} else if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return badInput(fmt.Sprintf("%v; usage: %s", err, c.UseLine()))
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		strict(sub)
	}
}

func verbs(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	return names
}

// usageError is bad input on the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func badInput(text string) error { return &usageError{text} }

// goalError ends a command that finished but missed what was asked of it.
type goalError struct{ text string }

func (e *goalError) Error() string { return e.text }

// interruption ends a command that was asked to stop and has left everything in order.
type interruption struct{ text string }

func (e *interruption) Error() string { return e.text }
func (e *interruption) Unwrap() error { return context.Canceled }

// lineBreaks are what a one-line error must not have.
var lineBreaks = regexp.MustCompile(`\s*\n\s*`)

// exitCode prints err, one line and then perhaps an excerpt, and returns the code for it.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(os.Stderr, "textground: %s\n", lineBreaks.ReplaceAllString(strings.TrimSpace(err.Error()), "; "))
	var input *proto.InputError
	if errors.As(err, &input) && input.Detail != "" {
		fmt.Fprintln(os.Stderr, strings.TrimRight(input.Detail, "\n"))
	}
	return codeOf(err)
}

func codeOf(err error) int {
	var usage *usageError
	var input *proto.InputError
	var goal *goalError
	switch {
	case errors.As(err, &goal):
		return exitGoalMissed
	case errors.As(err, &usage), errors.As(err, &input), isBadInput(err):
		return exitBadInput
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case strings.HasPrefix(err.Error(), "unknown command"):
		return exitBadInput
	}
	return exitFailed
}

// flagHint adds the nearest valid flag to cobra's message.
func flagHint(c *cobra.Command, err error) string {
	text := err.Error()
	_, wrong, found := strings.Cut(text, "unknown flag: --")
	if !found {
		return text
	}
	best, distance := "", 1+len(wrong)/2
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if d := proto.Distance(wrong, f.Name); d < distance {
			best, distance = f.Name, d
		}
	})
	if best != "" {
		text += fmt.Sprintf("; did you mean --%s?", best)
	}
	return text
}

func envOr(key, otherwise string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return otherwise
}
