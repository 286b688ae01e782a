package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/textground/textground/dataset/ingest"
	"github.com/textground/textground/store"
)

// newDataDiff compares what two ingests of one list, or of two, came to.
func newDataDiff(open opener) *cobra.Command {
	var asJSON bool
	examples := 10
	c := &cobra.Command{
		Use: "diff PREFIX PREFIX", Short: "What changed from one ingest to another, URL by URL (exit code 3 when anything did)",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("two arguments are wanted: the prefixes of two ingests")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			st, err := open(c.Context())
			if err != nil {
				return err
			}
			d, err := ingest.Diff(c.Context(), store.WithPrefix(st, args[0]), store.WithPrefix(st, args[1]), examples)
			if errors.Is(err, store.ErrNotExist) {
				return badInput(fmt.Sprintf("%v; give the prefixes of two ingests", err))
			}
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			if asJSON {
				err = json.NewEncoder(out).Encode(d)
			} else {
				fmt.Fprintf(out, "answered: %d, then %d; same %d, other bytes %d, gained %d, lost %d, failing otherwise %d; only in the first %d, only in the second %d\n",
					d.AnswersA, d.AnswersB, d.Same, d.Changed, d.Gained, d.Lost, d.Failing, d.OnlyA, d.OnlyB)
				for _, e := range d.Examples {
					fmt.Fprintf(out, "  %q: %s\n", e.URL, e.What)
				}
			}
			if err == nil && !d.Equal() {
				err = &goalError{"the two ingests differ"}
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	c.Flags().IntVar(&examples, "examples", examples, "name so many differences")
	return c
}
