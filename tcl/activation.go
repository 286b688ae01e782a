package tcl

import (
	"fmt"

	"github.com/textground/textground/kernels"
)

// Activation is the nonlinearity in the blocks of a tower, and of a masker block that is a copy of one.
type Activation uint8

// OpenAI's models have QuickGELU (tcl-spec section 1), and so has everything that does not name its activation. The exact GELU
// is that of open_clip's models of LAION's and DataComp's data. No tensor tells them apart.
const (
	QuickGELU Activation = iota
	GELU
)

var activationNames = [...]string{QuickGELU: "quick_gelu", GELU: "gelu"}

// String returns the name in files and on the command line, which is Hugging Face's.
func (a Activation) String() string { return activationNames[a] }

// MarshalText writes the name.
func (a Activation) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads a name.
func (a *Activation) UnmarshalText(text []byte) error {
	for known, name := range activationNames {
		if name == string(text) {
			*a = Activation(known)
			return nil
		}
	}
	return fmt.Errorf("activation %q: the towers here have %s or %s", text, QuickGELU, GELU)
}

// kernel returns what a product's epilogue calls it.
func (a Activation) kernel() kernels.Activation {
	return [...]kernels.Activation{QuickGELU: kernels.QuickGELU, GELU: kernels.GELU}[a]
}

// WithActivation returns the configuration with an activation in both towers.
func (c Config) WithActivation(a Activation) Config {
	c.Vision.Activation, c.Text.Activation = a, a
	return c
}

// Activations names that of both towers, or of each where they differ.
func (c Config) Activations() string {
	if c.Vision.Activation == c.Text.Activation {
		return c.Vision.Activation.String()
	}
	return fmt.Sprintf("%s in the image tower and %s in the text tower", c.Vision.Activation, c.Text.Activation)
}

// ActivationKey is the metadata of a file of weights that names the activation of both towers.
const ActivationKey = "textground.activation"

// configKey is the metadata with a Config as JSON. One without activations means QuickGELU.
const configKey = "config"

// NamesActivation tells whether a file with this metadata says which activation its towers have.
func NamesActivation(metadata map[string]string) bool {
	_, named := metadata[ActivationKey]
	_, sized := metadata[configKey]
	return named || sized
}
