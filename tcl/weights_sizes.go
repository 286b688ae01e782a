package tcl

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// clipConfig reads the sizes off the shapes.
func (r *importer) clipConfig() (Config, error) {
	if err := r.refuseResNet(); err != nil {
		return Config{}, err
	}
	var missing error
	shape := func(name string, rank int) []int {
		o := r.clipOrigin(name)
		if s, err := r.shape(o); err == nil && len(s) == rank {
			return s
		}
		missing = fmt.Errorf("%s: no tensor %q of %d dimensions: take a file with both CLIP towers", r.file, o.names[0], rank)
		return make([]int, rank)
	}
	conv, grid := shape("visual.conv1.weight", 4), shape("visual.positional_embedding", 2)
	table, context := shape("token_embedding.weight", 2), shape("positional_embedding", 2)
	cfg := Config{
		Vision: Vision{Patch: conv[2], Width: conv[0], Embed: shape("visual.proj", 2)[1]},
		Text:   Text{Context: context[0], Vocab: table[0], Width: table[1]},
	}
	if missing != nil {
		return cfg, missing
	}
	side := int(math.Round(math.Sqrt(float64(max(grid[0]-1, 0)))))
	cfg.Vision.Image = side * cfg.Vision.Patch
	cfg.Vision.Layers, cfg.Text.Layers = r.count(imageBlockPrefix), r.count(textBlockPrefix)
	if err := r.heads(&cfg); err != nil {
		return cfg, err
	}
	if err := r.activation(&cfg); err != nil {
		return cfg, err
	}
	if err := cfg.Check(); err != nil {
		return cfg, fmt.Errorf("%s: %w: take weights of a vision transformer", r.file, err)
	}
	return cfg, nil
}

// refuseResNet names the other kind of CLIP, which has a convolution of the same name.
func (r *importer) refuseResNet() error {
	for _, p := range r.source.Tensors {
		if tail, ok := strings.CutPrefix(p.Name, r.prefix); ok && (strings.HasPrefix(tail, "visual.layer1.") || strings.HasPrefix(tail, "visual.attnpool.")) {
			return fmt.Errorf("%s: tensor %q: the image tower is a ResNet; take a vision transformer: ViT-B/16, ViT-B/32 or ViT-L/14", r.file, p.Name)
		}
	}
	return nil
}

// clipOrigin is where a tensor of the towers stands in the file.
func (r *importer) clipOrigin(name string) origin {
	o := r.dialect.origin(name)
	for i := range o.names {
		o.names[i] = r.prefix + o.names[i]
	}
	return o
}

// count counts blocks.
func (r *importer) count(prefix func(int) string) int {
	n := 0
	for {
		if _, err := r.shape(r.clipOrigin(prefix(n) + "ln_1.weight")); err != nil {
			return n
		}
		n++
	}
}

// heads completes what no shape tells: from the metadata, or by the rules of OpenAI's models.
func (r *importer) heads(cfg *Config) error {
	if text, ok := r.source.Metadata[configKey]; ok {
		var said Config
		if err := json.Unmarshal([]byte(text), &said); err != nil {
			return fmt.Errorf("%s: metadata: config: %w", r.file, err)
		}
		cfg.Vision.Heads, cfg.Text.Heads = said.Vision.Heads, said.Text.Heads
		cfg.Vision.Activation, cfg.Text.Activation = said.Vision.Activation, said.Text.Activation
		if said != *cfg {
			return fmt.Errorf("%s: metadata: config says %+v, but the shapes say %+v: the file was put together from two models", r.file, said, *cfg)
		}
		return nil
	}
	const channelsPerHead, widest = 64, 1024 // wider towers, such as ViT-H/14, have 80 channels a head and more
	for _, tower := range []struct {
		name  string
		width int
		heads *int
	}{{"image", cfg.Vision.Width, &cfg.Vision.Heads}, {"text", cfg.Text.Width, &cfg.Text.Heads}} {
		if tower.width%channelsPerHead != 0 || tower.width > widest || tower.width == 0 {
			return fmt.Errorf("%s: the %s tower is %d wide; known are multiples of %d up to %d, with %d channels a head: ViT-B/16, ViT-B/32, ViT-L/14",
				r.file, tower.name, tower.width, channelsPerHead, widest, channelsPerHead)
		}
		*tower.heads = tower.width / channelsPerHead
	}
	return nil
}

// activation takes the word of the metadata for both towers. Sizes in the metadata name activations too, and must agree.
func (r *importer) activation(cfg *Config) error {
	name, ok := r.source.Metadata[ActivationKey]
	if !ok {
		return nil
	}
	var said Activation
	if err := said.UnmarshalText([]byte(name)); err != nil {
		return fmt.Errorf("%s: metadata: %s: %w", r.file, ActivationKey, err)
	}
	both := cfg.WithActivation(said)
	if _, sized := r.source.Metadata[configKey]; sized && both != *cfg {
		return fmt.Errorf("%s: metadata: %s says %s, but %s says %s: the file was put together from two models", r.file, ActivationKey, said, configKey, cfg.Activations())
	}
	*cfg = both
	return nil
}
