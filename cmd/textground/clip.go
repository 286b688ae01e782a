package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/internal/atomicfile"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/store"
	"github.com/textground/textground/tcl/cliptrain"
)

type clipFlags struct {
	steps, threads     int
	out, device, store string
	json               bool
}

func newCLIP() *cobra.Command {
	c := &cobra.Command{Use: "clip", Short: "The frozen CLIP that a grounder stands on: train a small one, look at embeddings"}
	c.AddCommand(newCLIPTrain(), newCLIPEmbed())
	return c
}

func newCLIPTrain() *cobra.Command {
	var f clipFlags
	c := &cobra.Command{
		Use: "train RECIPE.yaml", Short: "Train a small CLIP from scratch, in one process", Args: exactArg("a recipe such as examples/world-clip.yaml"),
		Example: "  textground clip train examples/world-clip.yaml --out clip.safetensors",
		RunE: func(c *cobra.Command, args []string) error {
			recipe, err := cliptrain.ReadRecipe(args[0])
			if err != nil {
				return err
			}
			f.into(c, recipe)
			return trainCLIP(c, recipe, f)
		},
	}
	c.Flags().IntVar(&f.steps, "steps", 0, "stop after so many steps; the schedule stays the recipe's (0: all)")
	c.Flags().StringVar(&f.out, "out", "clip.safetensors", "file to write")
	c.Flags().StringVar(&f.device, "device", "", "cuda[:N], cpu, ref or auto (default: as the recipe says)")
	c.Flags().IntVar(&f.threads, "threads", 0, "threads (default: as the recipe says; 0: all cores)")
	c.Flags().StringVar(&f.store, "store", "", "file://DIR or s3://BUCKET/PREFIX (default: as the recipe says)")
	c.Flags().BoolVar(&f.json, "json", false, "end with one JSON object on stdout")
	return c
}

// into lets the flags that were given override the recipe.
func (f *clipFlags) into(c *cobra.Command, r *cliptrain.Recipe) {
	r.Device, r.Store = firstOf(f.device, r.Device), firstOf(f.store, r.Store)
	if c.Flags().Changed("threads") {
		r.Threads = f.threads
	}
	if f.steps == 0 {
		f.steps = r.Steps
	}
}

func trainCLIP(c *cobra.Command, r *cliptrain.Recipe, f clipFlags) error {
	if f.steps < 1 || f.steps > r.Steps {
		return badInput(fmt.Sprintf("--steps %d: the recipe has steps 1 to %d", f.steps, r.Steps))
	}
	ctx, began := c.Context(), time.Now()
	dev, err := devices.Open(r.Device, r.Threads)
	if err != nil {
		return badInput(err.Error())
	}
	defer dev.Close()
	tokenizer, set, err := openPairs(ctx, r)
	if err != nil {
		return err
	}
	out, err := cliptrain.Train(ctx, dev, r, set, tokenizer, f.steps, func(p cliptrain.Progress) {
		if p.Step%100 == 0 || p.Measured != nil {
			fmt.Fprintln(c.ErrOrStderr(), progressLine(p, time.Since(began)))
		}
	})
	if err != nil {
		return err
	}
	class := cliptrain.DeviceClass(dev)
	data, err := cliptrain.Encode(r, out, class)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(f.out, data, 0o644); err != nil {
		return err
	}
	return reportCLIP(c, r, f, out, class, time.Since(began))
}

// openPairs opens vocabulary and store, draws the recipe's world if need be, and reads the pairs.
func openPairs(ctx context.Context, r *cliptrain.Recipe) (*dataset.Tokenizer, *cliptrain.Set, error) {
	vocabulary, err := openVocabulary(r.Vocabulary)
	if err != nil {
		return nil, nil, err
	}
	tokenizer := dataset.NewTokenizer(vocabulary, r.Text.Context)
	log := newLog("clip", os.Stderr)
	st, err := store.Open(ctx, r.Store)
	if err != nil {
		return nil, nil, err
	}
	if r.Data.World != nil {
		if err := drawOnce(ctx, st, r.Data.Shards, *r.Data.World, log); err != nil {
			return nil, nil, err
		}
	}
	set, err := cliptrain.ReadSet(ctx, st, r, tokenizer, log)
	return tokenizer, set, err
}

func progressLine(p cliptrain.Progress, spent time.Duration) string {
	line := fmt.Sprintf("step %d  loss %.3f (class %.3f, patches %.3f, concepts %.3f)  scale %.1f  norm %.2f  rate %.1e  %.0f s",
		p.Step, p.Total, p.Class, p.Patches, p.Concepts, p.Scale, p.GradientNorm, p.LearningRate, spent.Seconds())
	if m := p.Measured; m != nil {
		line += fmt.Sprintf("  held out: noun %.1f %%, caption of 128 %.1f %%, patch %.1f %%", 100*m.Noun, 100*m.Caption, 100*m.Patch)
	}
	return line
}

func reportCLIP(c *cobra.Command, r *cliptrain.Recipe, f clipFlags, out *cliptrain.Result, class string, spent time.Duration) error {
	if f.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{
			"file": f.out, "step": out.Step, cliptrain.KeyDigest: out.Digest, cliptrain.KeyEarlyDigest: out.EarlyDigest,
			cliptrain.KeyRecipe: r.Digest(), cliptrain.KeyDeviceClass: class, "held_out": out.Measured, "seconds": spent.Seconds()})
	}
	fmt.Fprintf(c.OutOrStdout(), "%s after %d steps, parameters %s\n", f.out, out.Step, out.Digest)
	return nil
}
