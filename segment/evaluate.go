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
	names := s.labelNames(classes)
	all, done := NewConfusion(len(names)), 0
	err := s.Compare(ctx, set, classes, func(_ Sample, one *Confusion) {
		all.Join(one)
		if done++; progress != nil {
			progress(done)
		}
	})
	if err != nil {
		return nil, err
	}
	if done == 0 {
		return nil, fmt.Errorf("nothing to evaluate: the set is empty")
	}
	return NewResult(all, names, done, s.protocol), nil
}

// Compare is Evaluate image by image: each hears what every sample comes to, in the order of the set.
func (s *Segmenter) Compare(ctx context.Context, set iter.Seq2[Sample, error], classes *Classes, each func(Sample, *Confusion)) error {
	e := evaluation{Segmenter: s, classes: classes, each: each}
	for sample, err := range set {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = e.take(sample)
		}
		if err != nil {
			return err
		}
	}
	return e.flush()
}

// labelNames lists the names of all labels.
func (s *Segmenter) labelNames(classes *Classes) []string {
	if s.protocol.Background {
		return append([]string{BackgroundName}, classes.Names...)
	}
	return classes.Names
}

// evaluation is a Compare under way.
type evaluation struct {
	*Segmenter
	classes *Classes
	waiting []Sample // of one size, not yet segmented
	each    func(Sample, *Confusion)
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
	if len(e.waiting) == 0 {
		return nil
	}
	var images []*dataset.Image
	for _, sample := range e.waiting {
		images = append(images, sample.Image)
	}
	scores, err := e.Scores(e.classes, images...)
	if err != nil {
		return err
	}
	for i, sample := range e.waiting {
		one := NewConfusion(len(scores[i].Names))
		if err := one.Add(e.protocol.Counted(sample.Truth), scores[i].Labels()); err != nil {
			return &SetError{sample.Name, err.Error(), fmt.Sprintf("name more classes, or mark what is not to be counted with %d", Ignored)}
		}
		e.each(sample, one)
	}
	e.waiting = nil
	return nil
}

// NewResult says what a confusion matrix over so many images comes to. names are those of its classes.
func NewResult(c *Confusion, names []string, images int, p Protocol) *Result {
	r := &Result{Images: images, MIoU: number(c.MeanIoU()), Accuracy: number(c.Accuracy()), Protocol: p}
	for k, iou := range c.IoU() {
		r.Classes = append(r.Classes, ClassResult{names[k], number(iou), c.Truth(k)})
		r.Confusion = append(r.Confusion, c.Counts[k*c.Classes:][:c.Classes])
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
