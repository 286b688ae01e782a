package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/textground/textground/dataset"
)

func newDataStats(open opener) *cobra.Command {
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use: "stats PREFIX", Short: "Sizes, shapes, formats and caption lengths", Args: exactArg("the key prefix of the shards"),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 1 {
				return badInput(fmt.Sprintf("--limit %d: look at one sample at least", limit))
			}
			st, ix, err := open.index(c.Context(), args[0])
			if err != nil {
				return err
			}
			count := newCounter(c.ErrOrStderr(), "samples", 0)
			stats, err := dataset.TakeStats(c.Context(), st, args[0], ix, limit, count.of)
			count.stop()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(stats)
			}
			tellStats(c.OutOrStdout(), stats)
			return nil
		},
	}
	c.Flags().IntVar(&limit, "limit", 10000, "samples to look at, evenly spaced")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func tellStats(out io.Writer, s dataset.Stats) {
	fmt.Fprintf(out, "%d pairs in %d shards, %.1f MB; looked at %d\n", s.Samples, s.Shards, float64(s.Bytes)/1e6, s.Looked)
	fmt.Fprintf(out, "formats: %s\nunusable: %s\n", countsText(s.Formats), countsText(s.Unusable))
	for _, h := range []struct {
		title string
		bins  []dataset.Bin
	}{{"short side, pixels", s.ShortSide}, {"width over height", s.Aspect}, {"caption, characters", s.Caption}, {"image file, bytes", s.FileSize}} {
		fmt.Fprintf(out, "\n%s\n", h.title)
		most := 1
		for _, b := range h.bins {
			most = max(most, b.Count)
		}
		for _, b := range h.bins {
			fmt.Fprintf(out, "  from %-10.4g %8d %s\n", b.From, b.Count, strings.Repeat("#", 40*b.Count/most))
		}
	}
}
