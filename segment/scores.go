package segment

import "github.com/textground/textground/dataset"

// BackgroundName is what class 0 is called where a protocol has a background.
const BackgroundName = "background"

// Ignored is the label of pixels that do not count.
const Ignored = 255

// Scores say how well each class fits each pixel. With a background it is class 0.
type Scores struct {
	Height, Width int
	Names         []string
	Values        []float32 // [len(Names), Height, Width]
}

// LabelMap holds the class of every pixel, row after row.
type LabelMap struct {
	Width, Height int
	Pix           []uint8
}

// Of returns the scores of one class, [Height, Width].
func (s *Scores) Of(class int) []float32 {
	n := s.Height * s.Width
	return s.Values[class*n : (class+1)*n]
}

// Labels returns the best class at each pixel, the first of equals.
func (s *Scores) Labels() *LabelMap {
	best := append([]float32(nil), s.Of(0)...)
	labels := &LabelMap{s.Width, s.Height, make([]uint8, len(best))}
	for class := 1; class < len(s.Names); class++ {
		for i, v := range s.Of(class) {
			if v > best[i] {
				best[i], labels.Pix[i] = v, uint8(class)
			}
		}
	}
	return labels
}

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
	all := make([]Found, len(s.Names))
	sums := make([]float64, len(s.Names))
	for class := range all {
		all[class] = Found{Label: class, Name: s.Names[class]}
		for i, v := range s.Of(class) {
			all[class].Peak = max(all[class].Peak, float64(v))
			if int(labels.Pix[i]) == class {
				all[class].Pixels++
				sums[class] += float64(v)
			}
		}
		if n := all[class].Pixels; n > 0 {
			all[class].Share, all[class].Score = float64(n)/float64(len(labels.Pix)), sums[class]/float64(n)
			all[class].Box = labels.box(class)
		}
	}
	return all
}

// box returns x, y, width and height around the pixels of a class.
func (l *LabelMap) box(class int) [4]int {
	left, top, right, bottom := l.Width, l.Height, 0, 0
	for i, v := range l.Pix {
		if int(v) == class {
			x, y := i%l.Width, i/l.Width
			left, right, top, bottom = min(left, x), max(right, x+1), min(top, y), max(bottom, y+1)
		}
	}
	return [4]int{left, top, right - left, bottom - top}
}

// fits tells whether the map covers the image.
func (l *LabelMap) fits(img *dataset.Image) bool {
	return l.Width == img.Width && l.Height == img.Height
}
