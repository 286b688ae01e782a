package segment

import (
	"io"

	"gorgonia.org/tensor"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/internal/dense"
)

// BackgroundName is what class 0 is called where a protocol has a background.
const BackgroundName = "background"

// Ignored is the label of pixels that do not count.
const Ignored = 255

// Scores say how well each class fits each pixel. With a background it is class 0.
type Scores struct {
	Names  []string
	Values *tensor.Dense // float32 [len(Names), height, width]
}

// LabelMap holds the class of every pixel.
type LabelMap struct {
	Pixels *tensor.Dense // uint8 [height, width]
}

// NewLabelMap shares pix, which holds height rows of width pixels.
func NewLabelMap(height, width int, pix []uint8) *LabelMap {
	return &LabelMap{dense.Of(pix, height, width)}
}

// Size returns how many pixels the map is high and wide.
func (l *LabelMap) Size() (height, width int) {
	return l.Pixels.Shape()[0], l.Pixels.Shape()[1]
}

// Pix returns the labels themselves, row after row.
func (l *LabelMap) Pix() []uint8 { return dense.Must[uint8](l.Pixels, dense.Any, dense.Any) }

// Of returns the scores of one class, [height, width].
func (s *Scores) Of(class int) []float32 {
	values := dense.Must[float32](s.Values, len(s.Names), dense.Any, dense.Any)
	n := len(values) / len(s.Names)
	return values[class*n : (class+1)*n]
}

// Labels returns the best class at each pixel, the first of equals.
func (s *Scores) Labels() *LabelMap {
	best := append([]float32(nil), s.Of(0)...)
	labels := make([]uint8, len(best))
	for class := 1; class < len(s.Names); class++ {
		for i, v := range s.Of(class) {
			if v > best[i] {
				best[i], labels[i] = v, uint8(class)
			}
		}
	}
	return NewLabelMap(s.Values.Shape()[1], s.Values.Shape()[2], labels)
}

// WriteNPY writes the scores as numpy.load reads them: float32 [class, row, column].
func (s *Scores) WriteNPY(w io.Writer) error { return dense.WriteNPY(w, s.Values) }

// Found is one class in one image.
type Found struct {
	Label  int     `json:"label"`
	Name   string  `json:"name"`
	Pixels int     `json:"pixels"`
	Share  float64 `json:"share"` // of the image
	Score  float64 `json:"score"` // mean over the mask; 0 where there is none
	Peak   float64 `json:"peak"`  // highest score anywhere in the image
	Box    [4]int  `json:"box"`   // x, y, width and height around the mask
}

// Found says for each class how much of the image it has, and how surely.
func (s *Scores) Found(labels *LabelMap) []Found {
	all, pix := make([]Found, len(s.Names)), labels.Pix()
	sums := make([]float64, len(s.Names))
	for class := range all {
		all[class] = Found{Label: class, Name: s.Names[class]}
		for i, v := range s.Of(class) {
			all[class].Peak = max(all[class].Peak, float64(v))
			if int(pix[i]) == class {
				all[class].Pixels++
				sums[class] += float64(v)
			}
		}
		if n := all[class].Pixels; n > 0 {
			all[class].Share, all[class].Score = float64(n)/float64(len(pix)), sums[class]/float64(n)
			all[class].Box = labels.box(class)
		}
	}
	return all
}

// box returns x, y, width and height around the pixels of a class.
func (l *LabelMap) box(class int) [4]int {
	height, width := l.Size()
	left, top, right, bottom := width, height, 0, 0
	for i, v := range l.Pix() {
		if int(v) == class {
			x, y := i%width, i/width
			left, right, top, bottom = min(left, x), max(right, x+1), min(top, y), max(bottom, y+1)
		}
	}
	return [4]int{left, top, right - left, bottom - top}
}

// fits tells whether the map covers the image.
func (l *LabelMap) fits(img *dataset.Image) bool {
	height, width := l.Size()
	return height == img.Height && width == img.Width
}
