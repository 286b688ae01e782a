package segment

import (
	"fmt"
	"image"

	"github.com/textground/textground/dataset"
)

// smallest and largest side of a drawn picture; the masks themselves are always made at the size of the image.
const (
	overlayLeast = 384
	overlayMost  = 1600
)

// Overlay draws the image with its masks in colour and, below, each class with its share of the image and its mean score.
func Overlay(img *dataset.Image, labels *LabelMap, scores *Scores, background bool) *image.RGBA {
	width, height := overlaySize(img.Width, img.Height)
	var entries []entry
	for _, f := range scores.Found(labels) {
		if background && f.Label == 0 {
			continue
		}
		text := fmt.Sprintf("%s: not found, best %.2f", f.Name, f.Peak)
		if f.Pixels > 0 {
			text = fmt.Sprintf("%s %.2f, %.0f %%", f.Name, f.Score, 100*f.Share)
		}
		entries = append(entries, entry{Colour(f.Label, background), shorten(text, (width-2*swatch)/letterWide)})
	}
	rows := legendRows(entries, width)
	c := newCanvas(width+2*margin, margin+height+margin+len(rows)*lineHigh+margin)
	at := image.Rect(margin, margin, margin+width, margin+height)
	place(c, at, img)
	tint(c, at, labels, background)
	drawLegend(c, margin, margin+height+margin, rows)
	return c
}

// overlaySize brings the long side into the range that is good to look at.
func overlaySize(width, height int) (int, int) {
	long := max(width, height)
	scale := float64(min(max(long, overlayLeast), overlayMost)) / float64(long)
	side := func(n int) int { return max(1, int(float64(n)*scale+0.5)) }
	return side(width), side(height)
}
