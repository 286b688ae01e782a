package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/textground/textground/dataset"
)

func newDataIndex(open opener) *cobra.Command {
	var options dataset.IndexOptions
	c := &cobra.Command{
		Use: "index PREFIX", Short: "Index WebDataset shards that others wrote", Args: exactArg("the key prefix of the shards"),
		Long: "Index shards of webdataset, img2dataset and others where they lie: images jpg, jpeg, png, webp and gif, captions txt or a\nfield of json. Run again, it reads only what is new or has changed. What cannot be used is counted by reason.",
		RunE: func(c *cobra.Command, args []string) error {
			st, err := open(c.Context())
			if err != nil {
				return err
			}
			count := newCounter(c.ErrOrStderr(), "shards", 0)
			options.Progress = count.of
			ix, changes, err := indexOf(c.Context(), st, args[0], options)
			count.stop()
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%d pairs in %d shards, %.1f MB, fingerprint %s\n", ix.Samples(), len(ix.Shards), float64(ix.Bytes())/1e6, ix.Fingerprint)
			tellChanges(c.ErrOrStderr(), ix, changes)
			return nil
		},
	}
	c.Flags().StringVar(&options.CaptionField, "caption-field", "", "the field of json that has the caption (default: caption, text or TEXT, the first there is)")
	c.Flags().BoolVar(&options.Again, "again", false, "read all shards, also those that have not changed")
	return c
}

// tellChanges says what an index is made of: what was read, what is gone, what was left out.
func tellChanges(out io.Writer, ix *dataset.Index, changes dataset.IndexChanges) {
	fmt.Fprintf(out, "%d shards read, %d unchanged\n", changes.Read, changes.Kept)
	for _, name := range changes.Removed {
		fmt.Fprintf(out, "gone since the last time: %s\n", name)
	}
	skipped := map[string]int{}
	for _, s := range ix.Shards {
		for reason, n := range s.Skipped {
			skipped[reason] += n
		}
	}
	if len(skipped) > 0 {
		fmt.Fprintf(out, "left out: %s\n", countsText(skipped))
	}
}
