package benchmark

import (
	"fmt"
	"strings"

	"github.com/textground/textground/segment"
)

// Benchmark is a data set with the rules by which it is counted.
type Benchmark struct {
	Name        string // on the command line
	Title       string
	Background  bool // label 0 is the rest, and a class of its own
	ZeroIgnored bool // label 0 is not counted, and class k has label k+1
	Published   int  // images of the validation split

	names  string // file of the class names
	things int    // how many of them are classes; 0 for all
	layout layout
}

// All lists the benchmarks in the order of tcl-spec section 8.
func All() []Benchmark {
	return []Benchmark{
		{Name: "voc", Title: "PASCAL VOC 2012, 21 classes", Background: true, Published: 1449, names: "voc", layout: vocLayout},
		{Name: "context60", Title: "PASCAL Context, 60 classes", Background: true, Published: 5104, names: "context", layout: contextLayout},
		{Name: "coco-object", Title: "COCO-Object", Background: true, Published: 5000, names: "coco-stuff", things: 80, layout: cocoObjectLayout},
		{Name: "voc20", Title: "PASCAL VOC 2012, 20 classes", ZeroIgnored: true, Published: 1449, names: "voc", layout: vocLayout},
		{Name: "context59", Title: "PASCAL Context, 59 classes", ZeroIgnored: true, Published: 5104, names: "context", layout: contextLayout},
		{Name: "coco-stuff", Title: "COCO-Stuff 164k", Published: 5000, names: "coco-stuff", layout: cocoStuffLayout},
		{Name: "cityscapes", Title: "Cityscapes", Published: 500, names: "cityscapes", layout: cityscapesLayout},
		{Name: "ade20k", Title: "ADE20K", ZeroIgnored: true, Published: 2000, names: "ade20k", layout: ade20kLayout},
	}
}

// Names lists what Find knows.
func Names() []string {
	var names []string
	for _, b := range All() {
		names = append(names, b.Name)
	}
	return names
}

// Find returns the benchmark of that name.
func Find(name string) (*Benchmark, error) {
	for _, b := range All() {
		if b.Name == name {
			return &b, nil
		}
	}
	return nil, fmt.Errorf("there is no benchmark %q, but %s", name, strings.Join(Names(), ", "))
}

// Things are the names to look for, in the order of their labels, without the background.
func (b *Benchmark) Things() []string { return readNames(b.names, b.things) }

// Classes are the names of all classes that are counted, the background first where there is one.
func (b *Benchmark) Classes() []string {
	if b.Background {
		return append([]string{segment.BackgroundName}, b.Things()...)
	}
	return b.Things()
}

// largestLabel is the highest number that a label map may hold besides segment.Ignored.
func (b *Benchmark) largestLabel() int {
	if b.ZeroIgnored {
		return len(b.Classes())
	}
	return len(b.Classes()) - 1
}

// ThresholdWithoutPAMR is the release's score of the background for masks that are not refined.
const ThresholdWithoutPAMR = 0.5

// Protocol is the release's for a model of images of that side: windows of two sides, 448 pixels for the released model.
func (b *Benchmark) Protocol(side int, pamr bool) segment.Protocol {
	p := segment.PaperProtocol()
	p.ShortSide, p.Window, p.Stride = 2*side, 2*side, side
	p.Background, p.ZeroIgnored, p.PAMR = b.Background, b.ZeroIgnored, pamr
	switch {
	case !b.Background:
		p.Threshold = 0 // nobody asks for it
	case !pamr:
		p.Threshold = ThresholdWithoutPAMR
	}
	return p
}
