package cliptrain

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/tcl"
)

// Recipe is everything that a training is. The last four keys alter no number.
type Recipe struct {
	Seed       uint64     `yaml:"seed"`
	Steps      int        `yaml:"steps"`
	Batch      int        `yaml:"batch"` // pairs a step
	Vision     Vision     `yaml:"vision"`
	Text       Text       `yaml:"text"`
	Vocabulary string     `yaml:"vocabulary"` // builtin:world, builtin:clip or the path of a merges file
	Data       Data       `yaml:"data"`
	Easy       Easy       `yaml:"easy"`
	Loss       Loss       `yaml:"loss"`
	Concepts   Concepts   `yaml:"concepts"`
	Optimiser  Optimiser  `yaml:"optimiser"`
	Evaluation Evaluation `yaml:"evaluation" json:"-"`
	Store      string     `yaml:"store" json:"-"`   // file://DIR or s3://BUCKET/PREFIX
	Device     string     `yaml:"device" json:"-"`  // auto, cpu or ref
	Threads    int        `yaml:"threads" json:"-"` // 0 for all cores
}

// Vision holds the sizes of the image tower.
type Vision struct {
	Image  int `yaml:"image"`
	Patch  int `yaml:"patch"`
	Width  int `yaml:"width"`
	Layers int `yaml:"layers"`
	Heads  int `yaml:"heads"`
	Embed  int `yaml:"embed"`
}

// Text holds the sizes of the text tower; the vocabulary says how many tokens there are.
type Text struct {
	Context int `yaml:"context"`
	Width   int `yaml:"width"`
	Layers  int `yaml:"layers"`
	Heads   int `yaml:"heads"`
}

// Data names the pairs and how their images vary.
type Data struct {
	Shards  string        `yaml:"shards" json:"-"` // key prefix in the store
	World   *proto.World  `yaml:"world"`           // drawn where the store has no shards yet
	Augment proto.Augment `yaml:"augment"`
	Holes   Holes         `yaml:"holes"`
}

// Holes are small blocks of pixels that an image loses, as it does where a hard mask is 0.
type Holes struct {
	Chance float64 `yaml:"chance"` // of an image to have any
	Most   float64 `yaml:"most"`   // share of the blocks, uniform from 0
	Side   int     `yaml:"side"`   // of a block, in pixels
}

// Easy is what training begins with: pairs whose captions have none of these words.
type Easy struct {
	Steps   int      `yaml:"steps"`
	Without []string `yaml:"without"`
}

// Loss holds the weights of the terms beside the class token's InfoNCE, whose weight is 1.
type Loss struct {
	Patches  float64 `yaml:"patches"`  // the same InfoNCE of the mean patch
	Concepts float64 `yaml:"concepts"` // of class token and mean patch against the concepts
}

// Concepts are phrases that images are also held against. A caption has a concept if it has the phrase's last word.
type Concepts struct {
	Phrases   []string `yaml:"phrases"`
	Templates []string `yaml:"templates"` // {} stands for the phrase; drawn anew for every concept and step
}

// Optimiser holds AdamW and its schedule.
type Optimiser struct {
	Rate        float64    `yaml:"rate"`
	MinRate     float64    `yaml:"min_rate"` // at the end of the cosine
	WarmupSteps int        `yaml:"warmup_steps"`
	Betas       [2]float64 `yaml:"betas"`
	Epsilon     float64    `yaml:"epsilon"`
	WeightDecay float64    `yaml:"weight_decay"`
	Clip        float64    `yaml:"clip"`
}

// Evaluation measures on held-out scenes of the world.
type Evaluation struct {
	Scenes int    `yaml:"scenes"`
	Seed   uint64 `yaml:"seed"`
	Every  int    `yaml:"every"` // also while training, every so many steps; 0 for the end only
}

// ReadRecipe reads and checks the recipe at path. Errors name file, line and column, and the nearest valid key.
func ReadRecipe(path string) (*Recipe, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &proto.InputError{Line: fmt.Sprintf("recipe %v; name a file such as examples/world-clip.yaml", err)}
	}
	return ParseRecipe(path, data)
}

// Digest is the SHA-256 of everything that alters numbers.
func (r *Recipe) Digest() string {
	data, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("cliptrain: recipe does not encode: %v", err))
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Config returns the sizes of the model, for a vocabulary of so many ids.
func (r *Recipe) Config(vocabulary int) tcl.Config {
	v, t := r.Vision, r.Text
	return tcl.Config{Vision: tcl.Vision{Image: v.Image, Patch: v.Patch, Width: v.Width, Layers: v.Layers, Heads: v.Heads, Embed: v.Embed},
		Text: tcl.Text{Context: t.Context, Vocab: vocabulary, Width: t.Width, Layers: t.Layers, Heads: t.Heads}}
}

func (r *Recipe) augment() dataset.AugmentConfig { return dataset.AugmentConfig(r.Data.Augment) }

// schedule warms up from the first step's share of the rate.
func (r *Recipe) schedule() tcl.Schedule {
	o := r.Optimiser
	return tcl.Schedule{LR: o.Rate, MinLR: o.MinRate, WarmupSteps: o.WarmupSteps, WarmupStart: 1 / float64(max(o.WarmupSteps, 1)),
		TotalSteps: r.Steps, Phase2From: r.Steps}
}

func (r *Recipe) pretrainOptions() tcl.PretrainOptions {
	o := r.Optimiser
	return tcl.PretrainOptions{Images: r.Batch, Texts: r.Batch + len(r.Concepts.Phrases),
		Beta1: o.Betas[0], Beta2: o.Betas[1], Epsilon: o.Epsilon, WeightDecay: o.WeightDecay, Clip: o.Clip}
}
