package segment

import (
	"image"
	"image/color"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/textground/textground/dataset"
)

const (
	letterWide = 7  // pixels; the font is fixed
	lineHigh   = 16 // pixels from one line of text to the next
	swatch     = 11 // side of a legend's colour
	margin     = 12
)

var (
	paper = color.RGBA{251, 251, 249, 255}
	ink   = color.RGBA{32, 32, 38, 255}
	faint = color.RGBA{110, 110, 118, 255}
	dark  = color.RGBA{20, 20, 24, 255}
	light = color.RGBA{255, 255, 255, 255}
)

func newCanvas(width, height int) *image.RGBA {
	c := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(c, c.Rect, image.NewUniform(paper), image.Point{}, draw.Src)
	return c
}

// write sets one line of text, its top left corner at (x, y). Letters that the font lacks become question marks.
func write(c *image.RGBA, x, y int, text string, colour color.Color) {
	d := font.Drawer{Dst: c, Src: image.NewUniform(colour), Face: basicfont.Face7x13, Dot: fixed.P(x, y+11)}
	d.DrawString(strings.Map(func(r rune) rune {
		if r > '~' || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text))
}

// shorten cuts text to so many letters.
func shorten(text string, letters int) string {
	runes := []rune(text)
	if len(runes) <= letters {
		return text
	}
	return string(runes[:max(letters-2, 0)]) + ".."
}

// wrap breaks text at spaces into lines of at most so many letters; a longer word is shortened.
func wrap(text string, letters int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		word = shorten(word, letters)
		switch {
		case line == "":
			line = word
		case len([]rune(line+" "+word)) <= letters:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

func rgba(img *dataset.Image) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, img.Width, img.Height))
	for i := range img.Width * img.Height {
		copy(out.Pix[4*i:], img.Pix[3*i:3*i+3])
		out.Pix[4*i+3] = 255
	}
	return out
}

// place draws a picture, enlarged smoothly where it is smaller than the rectangle.
func place(c *image.RGBA, at image.Rectangle, img *dataset.Image) {
	draw.CatmullRom.Scale(c, at, rgba(img), image.Rect(0, 0, img.Width, img.Height), draw.Src, nil)
}

// tint lays the masks of labels over what is drawn in the rectangle: colours give way to brightness, so that a mask has the
// colour of its class whatever it covers; the background is darkened; a line in full colour stands where a mask ends.
func tint(c *image.RGBA, at image.Rectangle, labels *LabelMap, background bool) {
	width, height := at.Dx(), at.Dy()
	pix := labels.Pix()
	rows, cols := labels.Size()
	label := func(x, y int) uint8 {
		return pix[min(max(y, 0), height-1)*rows/height*cols+min(max(x, 0), width-1)*cols/width]
	}
	edge := max(1, min(width, height)/160)
	for y := range height {
		for x := range width {
			here, pixel := label(x, y), c.Pix[c.PixOffset(at.Min.X+x, at.Min.Y+y):]
			fade(pixel)
			switch {
			case background && here == 0:
				blend(pixel, dark, 0.5)
			case here != label(x-edge, y) || here != label(x+edge, y) || here != label(x, y-edge) || here != label(x, y+edge):
				blend(pixel, Colour(int(here), background), 1)
			default:
				blend(pixel, Colour(int(here), background), 0.62)
			}
		}
	}
}

// fade takes most of a pixel's colour away.
func fade(pixel []uint8) {
	grey := uint8((299*int(pixel[0]) + 587*int(pixel[1]) + 114*int(pixel[2])) / 1000)
	blend(pixel, color.RGBA{grey, grey, grey, 255}, 0.8)
}

func blend(pixel []uint8, colour color.RGBA, share float64) {
	for i, v := range [3]uint8{colour.R, colour.G, colour.B} {
		pixel[i] = uint8(float64(pixel[i])*(1-share) + float64(v)*share + 0.5)
	}
}

// entry is a line of a legend.
type entry struct {
	colour color.RGBA
	text   string
}

func (e entry) wide() int { return swatch + 5 + letterWide*len([]rune(e.text)) + 16 }

// legendRows breaks entries into rows of at most width pixels.
func legendRows(entries []entry, width int) [][]entry {
	var rows [][]entry
	left := 0
	for _, e := range entries {
		if e.wide() > left {
			rows, left = append(rows, nil), width
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], e)
		left -= e.wide()
	}
	return rows
}

func drawLegend(c *image.RGBA, x, y int, rows [][]entry) {
	for i, row := range rows {
		at := x
		for _, e := range row {
			top := y + i*lineHigh
			draw.Draw(c, image.Rect(at, top+1, at+swatch, top+1+swatch), image.NewUniform(e.colour), image.Point{}, draw.Src)
			write(c, at+swatch+5, top, e.text, ink)
			at += e.wide()
		}
	}
}

// What is named in a picture: at most so many masks, of at least such a share of the picture.
const (
	mostNamed  = 5
	leastNamed = 0.02
)

// nameMasks writes the names of the larger masks onto them.
func nameMasks(c *image.RGBA, at image.Rectangle, labels *LabelMap, names []string, background bool) {
	var taken []image.Rectangle
	rows, cols := labels.Size()
	for _, label := range largest(labels, background) {
		x, y := labels.middle(label)
		text := shorten(names[label], at.Dx()/letterWide-1)
		wide := letterWide*len([]rune(text)) + 4
		left := clamp(at.Min.X+(2*x+1)*at.Dx()/(2*cols)-wide/2, at.Min.X, at.Max.X-wide)
		top := clamp(at.Min.Y+(2*y+1)*at.Dy()/(2*rows)-lineHigh/2, at.Min.Y, at.Max.Y-lineHigh)
		plate := image.Rect(left, top, left+wide, top+lineHigh-1)
		if slices.ContainsFunc(taken, plate.Overlaps) {
			continue // the legend has it
		}
		taken = append(taken, plate)
		darken(c, plate)
		write(c, left+2, top+1, text, light)
	}
}

func darken(c *image.RGBA, part image.Rectangle) {
	part = part.Intersect(c.Rect)
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			blend(c.Pix[c.PixOffset(x, y):], dark, 0.65)
		}
	}
}

func clamp(v, low, high int) int { return max(low, min(v, high)) }

// largest lists the labels whose masks are large enough to be named, the largest first.
func largest(labels *LabelMap, background bool) []int {
	var counts [256]int
	pix := labels.Pix()
	for _, v := range pix {
		counts[v]++
	}
	var list []int
	for label, n := range counts {
		if float64(n) >= leastNamed*float64(len(pix)) && label != Ignored && (label != 0 || !background) {
			list = append(list, label)
		}
	}
	slices.SortStableFunc(list, func(a, b int) int { return counts[b] - counts[a] })
	return list[:min(len(list), mostNamed)]
}

// middle returns the pixel of a label's mask that is nearest to the mask's centre.
func (l *LabelMap) middle(label int) (x, y int) {
	_, width := l.Size()
	sumX, sumY, n := 0, 0, 0
	for i, v := range l.Pix() {
		if int(v) == label {
			sumX, sumY, n = sumX+i%width, sumY+i/width, n+1
		}
	}
	best := -1
	for i, v := range l.Pix() {
		if int(v) == label {
			dx, dy := i%width-sumX/n, i/width-sumY/n
			if d := dx*dx + dy*dy; best < 0 || d < best {
				best, x, y = d, i%width, i/width
			}
		}
	}
	return x, y
}
