package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/store"
)

func newData() *cobra.Command {
	var url string
	c := &cobra.Command{Use: "data", Short: "Shards of image-text pairs: draw, index, verify, look at, learn a vocabulary"}
	c.PersistentFlags().StringVar(&url, "store", "file://runs/store", "file://DIR or s3://BUCKET/PREFIX")
	open := func(ctx context.Context) (store.Store, error) { return openStore(ctx, url) }
	c.AddCommand(newDataWorld(open), newDataIndex(open), newDataVerify(open), newDataShow(open), newDataStats(open), newDataDiff(open), newDataVocabulary(open))
	return c
}

type opener func(context.Context) (store.Store, error)

// index opens the store and reads the index of the shards under prefix.
func (open opener) index(ctx context.Context, prefix string) (store.Store, *dataset.Index, error) {
	st, err := open(ctx)
	if err != nil {
		return nil, nil, err
	}
	ix, err := dataset.OpenIndex(ctx, st, prefix)
	return st, ix, err
}

func newDataWorld(open opener) *cobra.Command {
	config := world.Config{Scenes: 6000, Size: world.Size, Seed: 1}
	perShard := 500
	c := &cobra.Command{
		Use: "world PREFIX", Short: "Draw a synthetic captioned world into shards", Args: exactArg("the key prefix of the shards, such as shards/world"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := config.Check(); err != nil {
				return badInput(err.Error())
			}
			st, err := open(c.Context())
			if err != nil {
				return err
			}
			count := newCounter(c.ErrOrStderr(), "scenes", config.Scenes)
			err = world.WriteShards(c.Context(), st, args[0], config, perShard, count.set)
			count.stop()
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%d scenes in %s/%s\n", config.Scenes, st, args[0])
			fmt.Fprintf(c.ErrOrStderr(), "next: textground data show %s\n", args[0])
			return nil
		},
	}
	c.Flags().IntVar(&config.Scenes, "scenes", config.Scenes, "how many")
	c.Flags().Uint64Var(&config.Seed, "seed", config.Seed, "which world")
	c.Flags().IntVar(&config.Size, "size", config.Size, "side in pixels")
	c.Flags().BoolVar(&config.Masks, "masks", false, "held-out scenes, with their true masks")
	c.Flags().IntVar(&perShard, "per-shard", perShard, "scenes in a shard")
	return c
}

func newDataVerify(open opener) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "verify PREFIX", Short: "Read every shard and decode every image", Args: exactArg("the key prefix of the shards"),
		RunE: func(c *cobra.Command, args []string) error {
			st, err := open(c.Context())
			if err != nil {
				return err
			}
			count := newCounter(c.ErrOrStderr(), "shards", 0)
			report, err := dataset.Verify(c.Context(), st, args[0], func(err error) { fmt.Fprintln(c.ErrOrStderr(), err) }, count.of)
			count.stop()
			if err != nil {
				return err
			}
			if asJSON {
				if err := json.NewEncoder(c.OutOrStdout()).Encode(report); err != nil {
					return err
				}
			} else {
				fmt.Fprintf(c.OutOrStdout(), "%d pairs in %d shards, %.1f MB; %d bad shards; bad samples: %s\n", report.Samples, report.Shards, float64(report.Bytes)/1e6, report.BadShards, countsText(report.BadSamples))
			}
			if !report.Sound() {
				return fmt.Errorf("the data set %s/%s is not sound; index it again after mending: textground data index %s", st, args[0], args[0])
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func countsText(counts map[string]int) string {
	if len(counts) == 0 {
		return "none"
	}
	var words []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%s %d", reason, counts[reason]))
	}
	return strings.Join(words, ", ")
}

func newDataShow(open opener) *cobra.Command {
	var out string
	var from, count int
	c := &cobra.Command{
		Use: "show PREFIX", Short: "A contact sheet of pictures with captions", Args: exactArg("the key prefix of the shards"),
		RunE: func(c *cobra.Command, args []string) error {
			st, ix, err := open.index(c.Context(), args[0])
			if err != nil {
				return err
			}
			if from < 0 || from >= ix.Samples() {
				return badInput(fmt.Sprintf("--from %d: the samples are 0 to %d", from, ix.Samples()-1))
			}
			var ids []dataset.SampleID
			for i := from; i < min(from+count, ix.Samples()); i++ {
				ids = append(ids, dataset.SampleID(i))
			}
			sheet, err := dataset.ContactSheet(c.Context(), st, args[0], ix, ids)
			if err != nil {
				return err
			}
			f, err := os.Create(out)
			if err != nil {
				return err
			}
			defer f.Close()
			if err := png.Encode(f, sheet); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%d pairs in %s\n", len(ids), out)
			return f.Close()
		},
	}
	c.Flags().StringVar(&out, "out", "sheet.png", "file to write")
	c.Flags().IntVar(&from, "from", 0, "first sample")
	c.Flags().IntVar(&count, "count", 24, "how many")
	return c
}

func newDataVocabulary(open opener) *cobra.Command {
	var out string
	var size, captions int
	c := &cobra.Command{
		Use: "vocabulary PREFIX", Short: "Learn a byte-pair vocabulary from captions, in the format of CLIP's", Args: exactArg("the key prefix of the shards"),
		Long: "Learn byte-pair merges from the captions of shards and write them in the format of CLIP's merges file, for model.vocabulary\nof a run file and for textground clip train. A size is 512 byte units, the merges, and 2 control tokens.",
		RunE: func(c *cobra.Command, args []string) error {
			if size < 515 {
				return badInput(fmt.Sprintf("--size %d leaves no room for a merge; give at least 515", size))
			}
			st, ix, err := open.index(c.Context(), args[0])
			if err != nil {
				return err
			}
			var failure error
			learned := dataset.TrainVocabulary(func(yield func(string) bool) {
				for id := range min(captions, ix.Samples()) {
					sample, err := dataset.ReadSample(c.Context(), st, args[0], ix, dataset.SampleID(id))
					if failure = err; err != nil || !yield(sample.Caption) {
						return
					}
				}
			}, size)
			if failure != nil {
				return failure
			}
			vocabulary, err := dataset.OpenVocabulary(learned)
			if err != nil {
				return err
			}
			if err := os.WriteFile(out, learned, 0o644); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%d ids in %s\n", vocabulary.Size(), out)
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "vocabulary.txt", "file to write")
	c.Flags().IntVar(&size, "size", 8192, "ids at most")
	c.Flags().IntVar(&captions, "captions", 10000, "captions to learn from at most")
	return c
}
