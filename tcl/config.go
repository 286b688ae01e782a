package tcl

import "fmt"

// Config holds the sizes of a CLIP and of the grounder on top of it, and what else no shape tells. The JSON form is that of weight files' metadata.
type Config struct {
	Vision Vision `json:"vision"`
	Text   Text   `json:"text"`
}

// Vision holds the sizes of the image tower.
type Vision struct {
	Image  int `json:"image"` // side of a training image in pixels
	Patch  int `json:"patch"` // side of a patch in pixels
	Width  int `json:"width"`
	Layers int `json:"layers"`
	Heads  int `json:"heads"`
	Embed  int `json:"embed"` // width of the joint embedding

	Activation Activation `json:"activation,omitempty"`
}

// Text holds the sizes of the text tower.
type Text struct {
	Context int `json:"context"` // tokens a caption
	Vocab   int `json:"vocab"`
	Width   int `json:"width"`
	Layers  int `json:"layers"`
	Heads   int `json:"heads"`

	Activation Activation `json:"activation,omitempty"`
}

// Method holds the numbers of tcl-spec sections 2.7 and 3 that are not learned.
type Method struct {
	Loss Loss
	Tau  float64 // temperature of the Gumbel-sigmoid
}

// Loss holds the weights of the six loss terms and the priors of the mask areas.
type Loss struct {
	TCL, Area, TV   float64
	Prior, PriorNeg float64 // wanted mean of the positive and of the negative masks
}

// PaperMethod returns the released configuration.
func PaperMethod() Method {
	return Method{Loss: Loss{TCL: 0.1, Area: 0.4, TV: 1, Prior: 0.4}, Tau: 1}
}

// Decoder stages, each of which doubles the map's sides.
const (
	stages  = 2
	upscale = 1 << stages
)

// grid returns the patches along one side of a training image.
func (c Config) grid() int { return c.Vision.Image / c.Vision.Patch }

// patches returns G.
func (c Config) patches() int { return c.grid() * c.grid() }

// tokens returns L.
func (c Config) tokens() int { return 1 + c.patches() }

// MaskSide returns the mask positions along one side of a training image.
func (c Config) MaskSide() int { return upscale * c.grid() }

// Positions returns P, the mask positions of a training image: as many uniforms of noise an image needs.
func (c Config) Positions() int { return c.MaskSide() * c.MaskSide() }

// Check says which size makes no sense.
func (c Config) Check() error {
	sizes := []struct {
		name  string
		value int
	}{
		{"vision.image", c.Vision.Image}, {"vision.patch", c.Vision.Patch}, {"vision.width", c.Vision.Width},
		{"vision.layers", c.Vision.Layers}, {"vision.heads", c.Vision.Heads}, {"vision.embed", c.Vision.Embed},
		{"text.context", c.Text.Context}, {"text.vocab", c.Text.Vocab}, {"text.width", c.Text.Width},
		{"text.layers", c.Text.Layers}, {"text.heads", c.Text.Heads},
	}
	for _, s := range sizes {
		if s.value <= 0 {
			return fmt.Errorf("model config: %s is %d, but must be positive", s.name, s.value)
		}
	}
	divisions := []struct {
		name, by string
		value, n int
	}{
		{"vision.image", "vision.patch", c.Vision.Image, c.Vision.Patch},
		{"vision.width", "vision.heads", c.Vision.Width, c.Vision.Heads},
		{"text.width", "text.heads", c.Text.Width, c.Text.Heads},
	}
	for _, d := range divisions {
		if d.value%d.n != 0 {
			return fmt.Errorf("model config: %s = %d is no multiple of %s = %d", d.name, d.value, d.by, d.n)
		}
	}
	return nil
}
