package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/textground/textground/segment"
	"github.com/textground/textground/segment/benchmark"
)

// benchmarking is eval with --benchmark, or with --like and a card.
type benchmarking struct {
	name, data, like string
	out              string
	limit, worst     int
	processes        int
	share            string // of a process that another eval started: its number and how many there are
}

func (b *benchmarking) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&b.name, "benchmark", "", "voc, voc20, context60, context59, coco-object, coco-stuff, cityscapes or ade20k, with its data in --data")
	flags.StringVar(&b.data, "data", "", "directory of a benchmark's data set, or one that holds it")
	flags.StringVar(&b.like, "like", "", "repeat what this card.json of an earlier benchmark says")
	flags.StringVar(&b.out, "out", "", "directory for card, result and pictures of a benchmark (default: evaluations/BENCHMARK)")
	flags.IntVar(&b.limit, "limit", 0, "only the first so many images of a benchmark")
	flags.IntVar(&b.worst, "worst", 8, "so many images of the lowest mIoU go on a picture")
	flags.IntVar(&b.processes, "processes", 1, "so many processes share the images of a benchmark; the number stays the same")
	flags.StringVar(&b.share, "share", "", "")
	_ = flags.MarkHidden("share") // it is there
}

// asked tells whether a benchmark is wanted, and not a set of one's own.
func (b *benchmarking) asked() bool { return b.name != "" || b.like != "" }

// args checks what else stands on the command line.
func (b *benchmarking) args(c *cobra.Command, args []string) error {
	if b.asked() {
		return cobra.NoArgs(c, args)
	}
	for _, flag := range []string{"data", "out", "limit", "worst", "processes"} {
		if c.Flags().Changed(flag) {
			return badInput(fmt.Sprintf("--%s belongs to a benchmark; add --benchmark or --like", flag))
		}
	}
	return exactArg("a directory of images and label maps, the URL of shards with masks, or \"world\"")(c, args)
}

// check refuses flags that do not go together.
func (b *benchmarking) check(c *cobra.Command) error {
	given := c.Flags().Changed
	switch {
	case b.data == "":
		return badInput("--data is missing; name the directory of the data set")
	case b.share != "" && b.like == "":
		return badInput("--share belongs to --like: it is for processes that eval starts itself")
	case given("limit") && b.limit < 1, b.processes < 1, b.worst < 0:
		return badInput(fmt.Sprintf("--limit %d, --processes %d, --worst %d: give 1 or more, or 0 for no picture", b.limit, b.processes, b.worst))
	}
	for _, flag := range []string{"no-background", "zero-ignored", "classes"} {
		if given(flag) {
			return badInput(fmt.Sprintf("--%s is for sets of your own; a benchmark has its classes and its background", flag))
		}
	}
	for _, flag := range []string{"benchmark", "threshold", "pamr", "clip-mix", "limit"} {
		if b.like != "" && given(flag) {
			return badInput(fmt.Sprintf("--%s is on the card; leave out one of --%s and --like", flag, flag))
		}
	}
	return nil
}

// run measures the weights that the flags name, and the baseline beside them. A share has no report.
func (b *benchmarking) run(c *cobra.Command, e *evaluating) (*benchmarkReport, error) {
	if err := b.check(c); err != nil {
		return nil, err
	}
	t, err := b.prepare(c, e)
	if err != nil {
		return nil, err
	}
	defer t.grounder.close()
	if b.share != "" {
		return nil, b.serve(c, t)
	}
	parts, err := b.compute(c, e, t)
	if err != nil {
		return nil, err
	}
	report := t.report(parts)
	report.out = firstOf(b.out, filepath.Join("evaluations", t.set.Name+t.suffix()))
	return report, t.write(report, parts[0].Worst(b.worst))
}

// wanted is the benchmark of the flags, or that of the card with the card.
func (b *benchmarking) wanted() (*benchmark.Benchmark, *benchmark.Card, error) {
	if b.like == "" {
		bench, err := benchmark.Find(b.name)
		if err != nil {
			return nil, nil, badInput("--benchmark: " + err.Error())
		}
		return bench, nil, nil
	}
	data, err := os.ReadFile(b.like)
	if err != nil {
		return nil, nil, badInput(fmt.Sprintf("--like: %v; name the card.json of an earlier benchmark", err))
	}
	card, err := benchmark.ReadCard(data)
	if err != nil {
		return nil, nil, badInput(fmt.Sprintf("--like %s: %v; name the card.json of an earlier benchmark of this version", b.like, err))
	}
	bench, err := benchmark.Find(card.Benchmark)
	return bench, card, err
}

// protocol is the card's, or the release's changed by the flags that were given.
func (b *benchmarking) protocol(c *cobra.Command, f *groundingFlags, bench *benchmark.Benchmark, card *benchmark.Card, side int) (segment.Protocol, error) {
	if card != nil {
		return card.Protocol, nil
	}
	given := c.Flags().Changed
	p := bench.Protocol(side, f.pamr || !given("pamr"))
	if given("clip-mix") {
		p.CLIPMix = f.clipMix
	}
	if given("threshold") {
		if !p.Background {
			return p, badInput(fmt.Sprintf("--threshold is the score of the background, and %s has none; leave it out", bench.Name))
		}
		p.Threshold = f.threshold
	}
	return p, nil
}
