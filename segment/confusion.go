package segment

import (
	"fmt"
	"math"

	"github.com/textground/textground/internal/dense"
)

// Confusion counts pixels by true and found class over a whole set.
type Confusion struct {
	Classes int
	Counts  []int64 // [Classes, Classes]: row = truth, column = found
}

// NewConfusion returns an empty matrix.
func NewConfusion(classes int) *Confusion {
	return &Confusion{classes, make([]int64, classes*classes)}
}

// Add counts the pixels of one image; those whose truth is Ignored are left out.
func (c *Confusion) Add(truth, found *LabelMap) error {
	height, width := found.Size()
	labels, err := dense.Values[uint8](truth.Pixels, height, width)
	if err != nil {
		return fmt.Errorf("labels for an image of %dx%d: %w", width, height, err)
	}
	pix := found.Pix()
	for i, t := range labels {
		switch {
		case t == Ignored:
		case int(t) >= c.Classes:
			return fmt.Errorf("label %d at (%d, %d), but there are classes 0 to %d", t, i%width, i/width, c.Classes-1)
		default:
			c.Counts[int(t)*c.Classes+int(pix[i])]++
		}
	}
	return nil
}

// Join adds the counts of another matrix of as many classes.
func (c *Confusion) Join(other *Confusion) {
	for i, n := range other.Counts {
		c.Counts[i] += n
	}
}

// Truth counts the pixels that truly belong to a class.
func (c *Confusion) Truth(class int) int64 {
	var n int64
	for _, v := range c.Counts[class*c.Classes:][:c.Classes] {
		n += v
	}
	return n
}

// IoU returns intersection over union of each class; NaN where the union is empty.
func (c *Confusion) IoU() []float64 {
	iou := make([]float64, c.Classes)
	for k := range iou {
		both := c.Counts[k*c.Classes+k]
		union := c.Truth(k) - both
		for t := range c.Classes {
			union += c.Counts[t*c.Classes+k]
		}
		iou[k] = float64(both) / float64(union)
	}
	return iou
}

// MeanIoU is the mean over the classes whose union is not empty; NaN where all are.
func (c *Confusion) MeanIoU() float64 {
	sum, n := 0.0, 0
	for _, v := range c.IoU() {
		if !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return sum / float64(n)
}

// Accuracy is the share of counted pixels whose class was found.
func (c *Confusion) Accuracy() float64 {
	var right, all int64
	for i, v := range c.Counts {
		all += v
		if i/c.Classes == i%c.Classes {
			right += v
		}
	}
	return float64(right) / float64(all)
}
