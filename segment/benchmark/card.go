package benchmark

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/textground/textground/segment"
)

// Card belongs to a number: with it, the data and the weights, somebody else finds the same.
type Card struct {
	Benchmark       string           `json:"benchmark"`
	Images          int              `json:"images"` // the first so many of the validation split
	DataSHA256      string           `json:"data_sha256"`
	Classes         []string         `json:"classes"`
	Protocol        segment.Protocol `json:"protocol"`
	Model           string           `json:"model"`
	Weights         string           `json:"weights"` // where they were from, in words
	WeightsSHA256   string           `json:"weights_sha256"`
	Baseline        string           `json:"baseline,omitempty"` // the weights are that baseline's
	DeviceClass     string           `json:"device_class"`       // equal bits are promised within one
	MIoU            *float64         `json:"miou"`               // fraction; null where nothing could be counted
	ConfusionSHA256 string           `json:"confusion_sha256"`
}

// ReadCard reads a card that this version can repeat.
func ReadCard(data []byte) (*Card, error) {
	c := &Card{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("no card: %w", err)
	}
	b, err := Find(c.Benchmark)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Images < 1:
		return nil, fmt.Errorf("a card of %d images", c.Images)
	case !slices.Equal(c.Classes, b.Classes()):
		return nil, fmt.Errorf("the classes are not those of %s", b.Name)
	case c.Protocol.Background != b.Background || c.Protocol.ZeroIgnored != b.ZeroIgnored:
		return nil, fmt.Errorf("the background is not that of %s", b.Name)
	}
	return c, nil
}

// Differs names the first thing in which a repetition would not be one; "" where there is none. Another device class is
// none: there the last bits may differ.
func (c *Card) Differs(here *Card) string {
	switch {
	case c.Images != here.Images:
		return fmt.Sprintf("the card is of %d images of %s, here are %d", c.Images, c.Benchmark, here.Images)
	case c.DataSHA256 != here.DataSHA256:
		return fmt.Sprintf("the card is of other images or label maps (data SHA-256 %.12s) than these (%.12s)", c.DataSHA256, here.DataSHA256)
	case c.WeightsSHA256 != here.WeightsSHA256:
		return fmt.Sprintf("the card is of other weights (%s, SHA-256 %.12s) than these (%s, %.12s)", c.Weights, c.WeightsSHA256, here.Weights, here.WeightsSHA256)
	case !reflect.DeepEqual(c.Protocol, here.Protocol):
		return fmt.Sprintf("the card's protocol is: %v; here it is: %v", c.Protocol, here.Protocol)
	}
	return ""
}
