package world

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/store"
)

// Config says which scenes to draw.
type Config struct {
	Scenes int    `yaml:"scenes"` // how many
	Size   int    `yaml:"size"`   // side in pixels, a multiple of 8
	Seed   uint64 `yaml:"seed"`
	Masks  bool   `yaml:"masks"` // the evaluation scenes instead of the training scenes, with a mask beside each

	// Shuffled gives every image the caption of the next scene: a control from which nothing can be learned about pictures.
	Shuffled bool `yaml:"shuffled"`
}

// Check refuses a world that cannot be drawn.
func (c Config) Check() error {
	if c.Scenes < 1 || c.Scenes > EvalFirst {
		return fmt.Errorf("a world of %d scenes: give 1 to %d", c.Scenes, EvalFirst)
	}
	if c.Shuffled && c.Scenes < 2 {
		return fmt.Errorf("a world of one scene cannot be shuffled: give at least 2 scenes")
	}
	if c.Size < 32 || c.Size > 512 || c.Size%8 != 0 {
		return fmt.Errorf("scenes of %d pixels: give a multiple of 8 from 32 to 512", c.Size)
	}
	return nil
}

// sample draws scene i of the configuration as a shard holds it.
func (c Config) sample(i int) dataset.Sample {
	scene := c.scene(i)
	s := dataset.Sample{Key: fmt.Sprintf("%09d", i), Image: scene.JPEG(), Caption: scene.Caption}
	if c.Shuffled {
		s.Caption = c.scene((i + 1) % c.Scenes).Caption
	}
	if c.Masks {
		s.Mask = scene.MaskPNG()
	}
	return s
}

func (c Config) scene(i int) Scene {
	if c.Masks {
		i += EvalFirst
	}
	return drawSized(c.Seed, i, c.Size)
}

// WriteShards draws the scenes of cfg on all cores and writes them under prefix, scenesPerShard to a shard, the index
// last. The bytes do not depend on the number of cores. progress, which may be nil, hears how many scenes are written.
func WriteShards(ctx context.Context, st store.Store, prefix string, cfg Config, scenesPerShard int, progress func(done int)) error {
	if err := cfg.Check(); err != nil {
		return err
	}
	if scenesPerShard < 1 {
		return fmt.Errorf("%d scenes to a shard: give at least 1", scenesPerShard)
	}
	var shards []dataset.Shard
	for first := 0; first < cfg.Scenes; first += scenesPerShard {
		last := min(first+scenesPerShard, cfg.Scenes)
		samples, err := cfg.samples(ctx, first, last)
		if err != nil {
			return err
		}
		shard, err := dataset.WriteShard(ctx, st, prefix, len(shards), samples)
		if err != nil {
			return err
		}
		shards = append(shards, shard)
		if progress != nil {
			progress(last)
		}
	}
	_, err := dataset.WriteIndex(ctx, st, prefix, shards)
	return err
}

// samples draws scenes [first, last) in parallel, each into its own place.
func (c Config) samples(ctx context.Context, first, last int) ([]dataset.Sample, error) {
	samples := make([]dataset.Sample, last-first)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range samples {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("drawing scene %d: %w", first+i, err)
			}
			samples[i] = c.sample(first + i)
			return nil
		})
	}
	return samples, g.Wait()
}
