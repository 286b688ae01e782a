package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/textground/textground/segment"
	"github.com/textground/textground/store"
	"github.com/textground/textground/tcl"
)

// evaluating is the command with its flags.
type evaluating struct {
	grounding groundingFlags
	benchmark benchmarking
	baseline  string
	classes   string
	require   string
	asJSON    bool
}

// evaluationReport is what eval says, for --json too.
type evaluationReport struct {
	Set     string `json:"set"`
	Weights string `json:"weights"`
	*segment.Result
}

func newEval() *cobra.Command {
	var e evaluating
	c := &cobra.Command{
		Use: "eval DIR|URL|world|--benchmark NAME --data DIR", Short: "mIoU against true masks", Args: e.benchmark.args,
		Long: `Segment every image of a set and compare with its label map: IoU of each class and their mean, with the protocol that the
numbers belong to.

  DIR    images beside 8-bit PNGs of label numbers: STEM.jpg and STEM.png, or DIR/images/STEM.jpg and DIR/labels/STEM.png
  URL    indexed shards that hold masks, such as s3://bucket/heldout
  world  the held-out scenes of the run file's evaluation

Label 0 is the background and 255 is not counted. With --no-background label 0 is the first class, or not counted either
with --zero-ignored. --classes names the classes from label 1 (or 0) on: names apart by commas, or a file with a line a class.

--benchmark measures one of the eight public data sets under the release's protocol: PAMR on, CLIP mix 0.3, background at 0.4
(0.5 with --pamr=false). Card, result and the worst images go into --out; --like repeats a card and refuses other weights or
data. docs/segmentation-benchmarks.md has the layouts.`,
		Example: `  textground eval world
  textground eval world --baseline maskclip
  textground eval voc/ --classes voc-classes.txt --pamr --require miou>=0.5 --json
  textground eval --benchmark voc20 --data data/ --weights tcl.safetensors --processes 2 --baseline maskclip
  textground eval --like evaluations/voc20/card.json --data data/ --weights tcl.safetensors`,
		RunE: e.run,
	}
	e.grounding.add(c)
	e.benchmark.add(c)
	flags := c.Flags()
	flags.StringVar(&e.baseline, "baseline", "", "maskclip: the untrained grounder on the run's CLIP instead of its weights; of a benchmark, beside them")
	flags.StringVar(&e.classes, "classes", "", "names, or a file of names (default: the nouns of the world)")
	flags.BoolVar(&e.grounding.zeroIgnored, "zero-ignored", false, "label 0 of the truth is no class and not counted")
	flags.StringVar(&e.require, "require", "", "a goal, such as miou>=0.24: exit code 3 when it is missed")
	flags.BoolVar(&e.asJSON, "json", false, "one JSON object")
	return c
}

func (e *evaluating) run(c *cobra.Command, args []string) error {
	goal, err := parseGoal(e.require)
	if err != nil {
		return err
	}
	if e.baseline != "" && e.baseline != maskclip {
		return badInput(fmt.Sprintf("--baseline %q: there is one baseline, maskclip", e.baseline))
	}
	if e.benchmark.asked() {
		return e.runBenchmark(c, goal)
	}
	if e.grounding.zeroIgnored && !e.grounding.noBackground {
		return badInput("--zero-ignored: label 0 is the background; add --no-background")
	}
	if e.baseline != "" && e.grounding.weights != "" {
		return badInput("--baseline stands instead of --weights; give one of them")
	}
	names, err := e.names(args[0])
	if err != nil {
		return err
	}
	if args[0] == "world" && e.grounding.noBackground {
		e.grounding.zeroIgnored = true // label 0 of a scene is no thing
	}
	g, err := e.open(c)
	if err != nil {
		return err
	}
	defer g.close()
	report, err := e.evaluate(c, g, args[0], names)
	var unusable *segment.SetError
	if errors.As(err, &unusable) {
		return badInput(err.Error())
	}
	if err != nil {
		return err
	}
	if e.asJSON {
		err = plainJSON(c.OutOrStdout()).Encode(report)
	} else {
		err = report.tell(c.OutOrStdout())
		fmt.Fprintf(c.ErrOrStderr(), "next: textground segment IMAGE --text \"fish, tree\", or a line to beat: textground eval world --baseline maskclip\n")
	}
	if err != nil {
		return err
	}
	return goal.check(report.MIoU)
}

// runBenchmark measures a benchmark and says what came of it.
func (e *evaluating) runBenchmark(c *cobra.Command, goal goal) error {
	report, err := e.benchmark.run(c, e)
	var unusable *segment.SetError
	if errors.As(err, &unusable) {
		return badInput(err.Error())
	}
	if err != nil && c.Context().Err() != nil {
		return &interruption{"stopped before the last image; nothing was written"}
	}
	if err != nil || report == nil {
		return err
	}
	if e.asJSON {
		err = plainJSON(c.OutOrStdout()).Encode(report)
	} else {
		err = report.tell(c.OutOrStdout())
		fmt.Fprintf(c.ErrOrStderr(), "card, result and worst images are in %s; next: textground eval --like %s --data %s%s\n",
			report.out, filepath.Join(report.out, "card.json"), e.benchmark.data, e.grounding.words())
	}
	if err == nil && !report.same {
		err = &goalError{fmt.Sprintf("mIoU is %s %%; %s", percent(report.Card.MIoU), report.Repeats)}
	}
	if err != nil {
		return err
	}
	return goal.check(report.Card.MIoU)
}

// open loads the weights, or makes those that the baseline starts from.
func (e *evaluating) open(c *cobra.Command) (*grounder, error) {
	if e.baseline == "" {
		return e.grounding.open(c)
	}
	return e.grounding.openWith(c, func(_ context.Context, record *RunRecord, a *assembly) (tcl.Weights, string, error) {
		return a.initialGrounder(), "maskclip: the untrained grounder of run " + record.Run, nil
	})
}

// names reads --classes; the world brings its own.
func (e *evaluating) names(set string) ([][]string, error) {
	if e.classes == "" {
		if set != "world" {
			return nil, badInput("--classes is missing; name the classes of the labels in their order, or a file with a line a class")
		}
		return segment.WorldClasses(), nil
	}
	text := e.classes
	if data, err := os.ReadFile(e.classes); err == nil {
		text = strings.Join(strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' || r == '\r' }), ",")
	}
	names, err := segment.ParseClasses(text)
	if err != nil {
		return nil, badInput("--classes: " + err.Error())
	}
	return names, nil
}

func (e *evaluating) evaluate(c *cobra.Command, g *grounder, name string, names [][]string) (*evaluationReport, error) {
	classes, err := g.segmenter.Classes(names)
	if err != nil {
		return nil, err
	}
	set, images, err := openSet(c.Context(), g, name)
	if err != nil {
		return nil, err
	}
	count := newCounter(c.ErrOrStderr(), "images", images)
	defer count.stop()
	result, err := g.segmenter.Evaluate(c.Context(), set, classes, count.set)
	return &evaluationReport{name, g.origin, result}, err
}

// openSet opens what the argument names and says how many images it has.
func openSet(ctx context.Context, g *grounder, name string) (iter.Seq2[segment.Sample, error], int, error) {
	switch {
	case name == "world":
		e := g.file.Evaluation
		return segment.World(e.Seed, e.Scenes), e.Scenes, nil
	case strings.Contains(name, "://"):
		st, err := store.Open(ctx, name)
		if err != nil {
			return nil, 0, err
		}
		return segment.Shards(ctx, st, "")
	}
	return segment.Directory(name)
}

func (r *evaluationReport) tell(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CLASS\tIoU %\tPIXELS\t")
	for _, class := range r.Classes {
		fmt.Fprintf(table, "%s\t%s\t%d\t\n", class.Name, percent(class.IoU), class.Pixels)
	}
	table.Flush()
	_, err := fmt.Fprintf(out, "mIoU %s %%, pixels right %s %%, %d images of %s\nweights: %s\nprotocol: %s\n",
		percent(r.MIoU), percent(r.Accuracy), r.Images, r.Set, r.Weights, r.Protocol)
	return err
}

func percent(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f", 100**x)
}

// goal is what --require asks for; its zero value asks for nothing.
type goal struct {
	text  string
	least float64
}

func parseGoal(text string) (goal, error) {
	if text == "" {
		return goal{}, nil
	}
	name, bound, found := strings.Cut(text, ">=")
	least, err := strconv.ParseFloat(strings.TrimSpace(bound), 64)
	if !found || strings.TrimSpace(name) != "miou" || err != nil || !(least >= 0 && least <= 1) {
		return goal{}, badInput(fmt.Sprintf("--require %q: write miou>=FRACTION, such as miou>=0.24", text))
	}
	return goal{text, least}, nil
}

func (g goal) check(miou *float64) error {
	if g.text != "" && (miou == nil || *miou < g.least) {
		return &goalError{fmt.Sprintf("mIoU is %s %%, required is %s", percent(miou), g.text)}
	}
	return nil
}
