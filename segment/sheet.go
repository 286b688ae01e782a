package segment

import (
	"fmt"
	"image"
	"image/draw"
	"math"

	"github.com/textground/textground/dataset"
)

// SheetRow is one image of a sheet: true masks and those of two models, or of one.
type SheetRow struct {
	Image   *dataset.Image
	Caption string
	Truth   *LabelMap
	Before  *LabelMap // nil on sheets without SheetText.Before
	After   *LabelMap
}

// SheetText holds the words around the pictures.
type SheetText struct {
	Title         string
	Before, After string // headings of the last two columns, such as "step 0, mIoU 0.07"; without Before there is one
	Names         []string
	Background    bool
	Side          int // pixels a picture; 0 is 192
}

const (
	sheetSide = 192
	sheetGap  = 10
)

// side is how wide and high a picture is.
func (t SheetText) side() int {
	if t.Side == 0 {
		return sheetSide
	}
	return t.Side
}

// headings are the words above the columns.
func (t SheetText) headings() []string {
	if t.Before == "" {
		return []string{"image", "true masks", t.After}
	}
	return []string{"image", "true masks", t.Before, t.After}
}

// columns are the label maps beside the image.
func (t SheetText) columns(row SheetRow) []*LabelMap {
	if t.Before == "" {
		return []*LabelMap{row.Truth, row.After}
	}
	return []*LabelMap{row.Truth, row.Before, row.After}
}

// Sheet draws a row an image: the image, its true masks, the masks before and after, with the share of pixels that are
// right; below stand the colours of all classes that occur.
func Sheet(rows []SheetRow, text SheetText) *image.RGBA {
	side, headings := text.side(), text.headings()
	width := len(headings)*(side+sheetGap) - sheetGap
	legend := legendRows(sheetEntries(rows, text), width)
	captions := make([][]string, len(rows))
	height := margin + 2*lineHigh + 6 + lineHigh + 4
	for i, row := range rows {
		captions[i] = wrap(row.Caption, width/letterWide)
		height += side + 4 + len(captions[i])*lineHigh + sheetGap
	}
	c := newCanvas(width+2*margin, height+len(legend)*lineHigh+margin)
	write(c, margin, margin, shorten(text.Title, width/letterWide), ink)
	y := margin + lineHigh + 6
	for i, heading := range headings {
		write(c, margin+i*(side+sheetGap), y, shorten(heading, side/letterWide), faint)
	}
	y += lineHigh + 4
	for i, row := range rows {
		drawSheetRow(c, y, row, text)
		y += side + 4
		for _, line := range captions[i] {
			write(c, margin, y, line, ink)
			y += lineHigh
		}
		y += sheetGap
	}
	drawLegend(c, margin, y, legend)
	return c
}

func drawSheetRow(c *image.RGBA, y int, row SheetRow, text SheetText) {
	side := text.side()
	for i, labels := range append([]*LabelMap{nil}, text.columns(row)...) {
		x := margin + i*(side+sheetGap)
		at := fit(image.Rect(x, y, x+side, y+side), row.Image.Width, row.Image.Height)
		place(c, at, row.Image)
		if labels == nil {
			continue
		}
		tint(c, at, labels, text.Background)
		nameMasks(c, at, labels, text.Names, text.Background)
		if labels != row.Truth {
			badge(c, at, fmt.Sprintf("%.0f %%", 100*agreement(row.Truth, labels)))
		}
	}
}

// fit centres a picture's rectangle, aspect kept, in a square.
func fit(square image.Rectangle, width, height int) image.Rectangle {
	scale := float64(square.Dx()) / float64(max(width, height))
	size := image.Pt(max(1, int(math.Round(float64(width)*scale))), max(1, int(math.Round(float64(height)*scale))))
	at := square.Min.Add(square.Size().Sub(size).Div(2))
	return image.Rectangle{at, at.Add(size)}
}

// badge writes into the lower right corner of a picture.
func badge(c *image.RGBA, at image.Rectangle, text string) {
	width := letterWide*len(text) + 6
	corner := image.Rect(at.Max.X-width, at.Max.Y-lineHigh, at.Max.X, at.Max.Y)
	draw.Draw(c, corner, image.NewUniform(paper), image.Point{}, draw.Src)
	write(c, corner.Min.X+3, corner.Min.Y+1, text, ink)
}

// agreement is the share of counted pixels whose label is the true one.
func agreement(truth, labels *LabelMap) float64 {
	same, all, pix := 0, 0, labels.Pix()
	for i, v := range truth.Pix() {
		if v != Ignored {
			all++
			if v == pix[i] {
				same++
			}
		}
	}
	return float64(same) / float64(max(all, 1))
}

// sheetEntries lists the classes that occur anywhere on the sheet, in the order of their labels.
func sheetEntries(rows []SheetRow, text SheetText) []entry {
	var seen [256]bool
	for _, row := range rows {
		for _, labels := range text.columns(row) {
			for _, v := range labels.Pix() {
				seen[v] = true
			}
		}
	}
	var entries []entry
	for label, name := range text.Names {
		if seen[label] && (label != 0 || !text.Background) {
			entries = append(entries, entry{Colour(label, text.Background), name})
		}
	}
	return entries
}
