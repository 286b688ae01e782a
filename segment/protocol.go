package segment

import (
	"fmt"

	"github.com/textground/textground/dataset/world"
)

// Protocol says how images become masks: the card that is printed beside every number. Two numbers are comparable where
// their protocols are equal.
type Protocol struct {
	ShortSide   int      `json:"short_side"`         // pixels to which the image's short side is resized
	LongMax     int      `json:"long_max"`           // pixels that the long side may then have at most
	Window      int      `json:"window"`             // side of the sliding window, pixels
	Stride      int      `json:"stride"`             // pixels from one window to the next
	Templates   []string `json:"templates"`          // sentences of a class: {} is its name, {a} its name with an article
	Background  bool     `json:"background"`         // class 0 is the rest
	Threshold   float64  `json:"threshold"`          // constant score of the background
	PAMR        bool     `json:"pamr"`               // refine masks by the image
	Dilations   []int    `json:"dilations"`          // of PAMR
	Iterations  int      `json:"iterations"`         // of PAMR
	CLIPMix     float64  `json:"clip_mix"`           // share of CLIP's own patch scores in the mask
	ZeroIgnored bool     `json:"zero_label_ignored"` // label 0 of the truth is no class: what benchmarks without a background ask for
}

// PaperProtocol returns the unified protocol of the release, for a model of 224-pixel images.
func PaperProtocol() Protocol {
	return Protocol{
		ShortSide: 448, LongMax: 2048, Window: 448, Stride: 224,
		Templates: []string{
			"itap of a {}.", "a bad photo of a {}.", "a origami {}.", "a photo of the large {}.", "a {} in a video game.",
			"art of the {}.", "a photo of the small {}.", "a photo of many {}.", "a photo of {}s.",
		},
		Background: true, Threshold: 0.4,
		PAMR: true, Dilations: []int{1, 2, 4, 8, 12, 24}, Iterations: 10, CLIPMix: 0.3,
	}
}

// WorldProtocol returns the protocol of the synthetic world, for a model of images of that side: a scene is one window.
func WorldProtocol(side int, threshold float64) Protocol {
	p := PaperProtocol()
	p.ShortSide, p.LongMax, p.Window, p.Stride = side, 8*side, side, side/2
	p.Templates = nil
	for _, t := range world.EvalTemplates {
		p.Templates = append(p.Templates, articled(t))
	}
	p.Threshold, p.PAMR, p.CLIPMix = threshold, false, 0
	return p
}

// String is the card in words.
func (p Protocol) String() string {
	background := "no background"
	if p.Background {
		background = fmt.Sprintf("background at %g", p.Threshold)
	}
	if p.ZeroIgnored {
		background += ", label 0 not counted"
	}
	pamr := "no PAMR"
	if p.PAMR {
		pamr = fmt.Sprintf("PAMR of %d iterations at dilations %v", p.Iterations, p.Dilations)
	}
	return fmt.Sprintf("short side %d, long side at most %d, windows of %d every %d pixels, %d templates, %s, %s, CLIP mix %g",
		p.ShortSide, p.LongMax, p.Window, p.Stride, len(p.Templates), background, pamr, p.CLIPMix)
}

// Counted returns a label map with the classes' own numbers: moved down where label 0 is no class.
func (p Protocol) Counted(truth *LabelMap) *LabelMap {
	if !p.ZeroIgnored {
		return truth
	}
	height, width := truth.Size()
	moved := make([]uint8, height*width)
	for i, v := range truth.Pix() {
		moved[i] = Ignored
		if v != 0 && v != Ignored {
			moved[i] = v - 1
		}
	}
	return NewLabelMap(height, width, moved)
}

// check names the first setting that makes no sense.
func (p Protocol) check() error {
	switch {
	case p.ShortSide < 1 || p.LongMax < p.ShortSide:
		return fmt.Errorf("protocol: short side %d, long side at most %d: give 1 or more, in this order", p.ShortSide, p.LongMax)
	case p.Window < 1 || p.Stride < 1 || p.Stride > p.Window:
		return fmt.Errorf("protocol: windows of %d every %d pixels: the stride is 1 to the window", p.Window, p.Stride)
	case len(p.Templates) == 0:
		return fmt.Errorf("protocol: no template: give at least \"{}\"")
	case !(p.CLIPMix >= 0 && p.CLIPMix <= 1):
		return fmt.Errorf("protocol: CLIP mix %v: give 0 to 1", p.CLIPMix)
	case !(p.Threshold >= 0 && p.Threshold <= 1):
		return fmt.Errorf("protocol: threshold %v: scores lie in 0 to 1", p.Threshold)
	case p.Background && p.ZeroIgnored:
		return fmt.Errorf("protocol: label 0 cannot be both the background and ignored")
	case p.PAMR && (len(p.Dilations) == 0 || p.Iterations < 0):
		return fmt.Errorf("protocol: PAMR with dilations %v and %d iterations", p.Dilations, p.Iterations)
	}
	return nil
}

// resized returns the size at which an image is looked at: aspect kept, rounded to whole pixels.
func (p Protocol) resized(height, width int) (int, int) {
	long, short := max(height, width), min(height, width)
	scale := min(float64(p.LongMax)/float64(long), float64(p.ShortSide)/float64(short))
	side := func(n int) int { return max(1, int(float64(n)*scale+0.5)) }
	return side(height), side(width)
}

// Window is the part [Y1, Y2) x [X1, X2) of a resized image.
type Window struct{ Y1, Y2, X1, X2 int }

// Windows lists the windows over an image of that size, row by row. All have one size; the last of a row or column is
// moved back inside, and an image smaller than the window is one itself.
func (p Protocol) Windows(height, width int) []Window {
	var all []Window
	for _, y := range starts(height, p.Window, p.Stride) {
		for _, x := range starts(width, p.Window, p.Stride) {
			all = append(all, Window{y, min(y+p.Window, height), x, min(x+p.Window, width)})
		}
	}
	return all
}

// starts lists where windows begin along one axis.
func starts(side, window, stride int) []int {
	var all []int
	for at := 0; ; at += stride {
		if at+window >= side {
			return append(all, max(side-window, 0))
		}
		all = append(all, at)
	}
}
