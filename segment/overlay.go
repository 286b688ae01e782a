package segment

import (
	"fmt"
	"image"
	"strings"

	"github.com/textground/textground/dataset"
)

// smallest and largest side of a drawn picture; the masks themselves are always made at the size of the image.
const (
	overlayLeast = 384
	overlayMost  = 1600
)

// Overlay draws the image with its masks in colour and, below, each class with its mean score and its share of the image;
// classes that have no pixel are listed with their best score anywhere.
func Overlay(img *dataset.Image, labels *LabelMap, scores *Scores, background bool) *image.RGBA {
	width, height := overlaySize(img.Width, img.Height)
	canvas := max(width, overlayLeast) // narrow images need room for their legend
	found, missing := overlayTexts(scores.Found(labels), background, canvas)
	c := newCanvas(canvas+2*margin, margin+height+margin+(len(found)+len(missing))*lineHigh+margin)
	at := image.Rect(margin, margin, margin+width, margin+height)
	place(c, at, img)
	tint(c, at, labels, background)
	nameMasks(c, at, labels, scores.Names, background)
	y := at.Max.Y + margin
	drawLegend(c, margin, y, found)
	for i, line := range missing {
		write(c, margin, y+(len(found)+i)*lineHigh, line, faint)
	}
	return c
}

// overlayTexts returns the legend of the classes that were found and the lines about those that were not.
func overlayTexts(all []Found, background bool, width int) (found [][]entry, missing []string) {
	var entries []entry
	var absent []string
	for _, f := range all {
		switch {
		case background && f.Label == 0:
		case f.Pixels == 0:
			absent = append(absent, fmt.Sprintf("%s (%.2f)", f.Name, f.Peak))
		default:
			text := fmt.Sprintf("%s %.2f, %.0f %%", f.Name, f.Score, 100*f.Share)
			entries = append(entries, entry{Colour(f.Label, background), shorten(text, (width-2*swatch)/letterWide)})
		}
	}
	if len(absent) > 0 {
		missing = wrap("not found: "+strings.Join(absent, ", "), width/letterWide)
	}
	return legendRows(entries, width), missing
}

// overlaySize brings the long side into the range that is good to look at.
func overlaySize(width, height int) (int, int) {
	long := max(width, height)
	scale := float64(min(max(long, overlayLeast), overlayMost)) / float64(long)
	side := func(n int) int { return max(1, int(float64(n)*scale+0.5)) }
	return side(width), side(height)
}
