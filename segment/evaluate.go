package segment

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/textground/textground/dataset"
)

// Sample is an image with its true labels.
type Sample struct {
	Name    string
	Caption string
	Image   *dataset.Image
	Truth   *LabelMap
}

// Result is what an evaluation found, with the protocol that the numbers belong to.
type Result struct {
	Images    int           `json:"images"`
	MIoU      *float64      `json:"miou"`     // fraction; null where nothing could be counted
	Accuracy  *float64      `json:"accuracy"` // of pixels
	Classes   []ClassResult `json:"classes"`
	Confusion [][]int64     `json:"confusion"` // rows = truth
	Protocol  Protocol      `json:"protocol"`
}

// ClassResult is one line of the table.
type ClassResult struct {
	Name   string   `json:"name"`
	IoU    *float64 `json:"iou"`    // null where neither truth nor masks have the class
	Pixels int64    `json:"pixels"` // of the truth
}

// Evaluate segments every sample and counts. Samples of one size that follow each other go through the model together.
// progress, which may be nil, hears how many are done.
func (s *Segmenter) Evaluate(ctx context.Context, set iter.Seq2[Sample, error], classes *Classes, progress func(done int)) (*Result, error) {
	e := evaluation{Segmenter: s, classes: classes, confusion: NewConfusion(len(s.labelNames(classes))), progress: progress}
	for sample, err := range set {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = e.take(sample)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := e.flush(); err != nil {
		return nil, err
	}
	if e.done == 0 {
		return nil, fmt.Errorf("nothing to evaluate: the set is empty")
	}
	return e.result(), nil
}

// labelNames lists the names of all labels.
func (s *Segmenter) labelNames(classes *Classes) []string {
	if s.protocol.Background {
		return append([]string{BackgroundName}, classes.Names...)
	}
	return classes.Names
}

// evaluation is an Evaluate under way.
type evaluation struct {
	*Segmenter
	classes   *Classes
	confusion *Confusion
	waiting   []Sample // of one size, not yet segmented
	done      int
	progress  func(int)
}

// take puts a sample beside those that wait, and segments them when they are enough.
func (e *evaluation) take(sample Sample) error {
	if !sample.Truth.fits(sample.Image) {
		height, width := sample.Truth.Size()
		return fmt.Errorf("%s: labels of %dx%d for an image of %dx%d", sample.Name, width, height, sample.Image.Width, sample.Image.Height)
	}
	if len(e.waiting) > 0 && !e.joins(sample.Image) {
		if err := e.flush(); err != nil {
			return err
		}
	}
	e.waiting = append(e.waiting, sample)
	return nil
}

// joins tells whether an image can go through the model with those that wait.
func (e *evaluation) joins(image *dataset.Image) bool {
	first := e.waiting[0].Image
	return first.Width == image.Width && first.Height == image.Height && (len(e.waiting)+1)*image.Width*image.Height <= batchPixels
}

// flush segments and counts what waits.
func (e *evaluation) flush() error {
	var images []*dataset.Image
	for _, sample := range e.waiting {
		images = append(images, sample.Image)
	}
	scores, err := e.Scores(e.classes, images...)
	if err != nil {
		return err
	}
	for i, sample := range e.waiting {
		if err := e.confusion.Add(e.counted(sample.Truth), scores[i].Labels()); err != nil {
			return &SetError{sample.Name, err.Error(), fmt.Sprintf("name more classes, or mark what is not to be counted with %d", Ignored)}
		}
	}
	e.done += len(e.waiting)
	e.waiting = nil
	if e.progress != nil {
		e.progress(e.done)
	}
	return nil
}

// counted moves labels down where label 0 is no class.
func (e *evaluation) counted(truth *LabelMap) *LabelMap {
	if !e.protocol.ZeroIgnored {
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

func (e *evaluation) result() *Result {
	r := &Result{Images: e.done, MIoU: number(e.confusion.MeanIoU()), Accuracy: number(e.confusion.Accuracy()), Protocol: e.protocol}
	iou := e.confusion.IoU()
	for k, name := range e.labelNames(e.classes) {
		r.Classes = append(r.Classes, ClassResult{name, number(iou[k]), e.confusion.Truth(k)})
		r.Confusion = append(r.Confusion, e.confusion.Counts[k*e.confusion.Classes:][:e.confusion.Classes])
	}
	return r
}

// number is nil for NaN, which JSON cannot say.
func number(x float64) *float64 {
	if math.IsNaN(x) {
		return nil
	}
	return &x
}
