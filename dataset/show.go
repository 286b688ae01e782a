package dataset

import (
	"context"
	"image"
	"image/color"
	"strings"
	"unicode"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/textground/textground/store"
)

const (
	sheetColumns  = 6
	sheetPicture  = 160 // pixels a side
	sheetGap      = 8
	sheetLine     = 14 // pixels from one line of text to the next
	sheetLines    = 3
	sheetLetters  = sheetPicture / 7 // the font is seven pixels wide
	sheetCellWide = sheetPicture + sheetGap
	sheetCellHigh = sheetPicture + sheetGap + sheetLines*sheetLine
)

var (
	sheetPaper = color.RGBA{250, 250, 248, 255}
	sheetBlank = color.RGBA{222, 222, 218, 255}
	sheetInk   = color.RGBA{30, 30, 34, 255}
)

// ContactSheet draws samples with their captions, six to a row. A sample that cannot be used shows its reason instead of
// its picture.
func ContactSheet(ctx context.Context, st store.Store, prefix string, ix *Index, ids []SampleID) (image.Image, error) {
	columns := min(len(ids), sheetColumns)
	rows := (len(ids) + sheetColumns - 1) / sheetColumns
	sheet := image.NewRGBA(image.Rect(0, 0, columns*sheetCellWide+sheetGap, rows*sheetCellHigh+sheetGap))
	draw.Draw(sheet, sheet.Rect, image.NewUniform(sheetPaper), image.Point{}, draw.Src)
	for i, id := range ids {
		s, err := ReadSample(ctx, st, prefix, ix, id)
		if err != nil {
			return nil, err
		}
		corner := image.Pt(sheetGap+i%sheetColumns*sheetCellWide, sheetGap+i/sheetColumns*sheetCellHigh)
		drawPicture(sheet, corner, s.Image)
		drawLines(sheet, corner.Add(image.Pt(0, sheetPicture+sheetLine-2)), wrap(s.Caption, sheetLetters, sheetLines))
	}
	return sheet, nil
}

// drawPicture fits an image into its square, or writes there why it cannot be decoded.
func drawPicture(sheet *image.RGBA, corner image.Point, data []byte) {
	square := image.Rectangle{corner, corner.Add(image.Pt(sheetPicture, sheetPicture))}
	draw.Draw(sheet, square, image.NewUniform(sheetBlank), image.Point{}, draw.Src)
	img, err := DecodeImage(data)
	if err != nil {
		drawLines(sheet, corner.Add(image.Pt(4, 2*sheetLine)), wrap(err.Error(), sheetLetters-1, 8))
		return
	}
	src := image.NewRGBA(image.Rect(0, 0, img.Width, img.Height))
	for i := range img.Width * img.Height {
		copy(src.Pix[4*i:], img.Pix[3*i:3*i+3])
		src.Pix[4*i+3] = 255
	}
	longest := max(img.Width, img.Height)
	size := image.Pt(max(img.Width*sheetPicture/longest, 1), max(img.Height*sheetPicture/longest, 1))
	at := corner.Add(image.Pt(sheetPicture, sheetPicture).Sub(size).Div(2))
	draw.CatmullRom.Scale(sheet, image.Rectangle{at, at.Add(size)}, src, src.Rect, draw.Src, nil)
}

func drawLines(sheet *image.RGBA, baseline image.Point, lines []string) {
	d := font.Drawer{Dst: sheet, Src: image.NewUniform(sheetInk), Face: basicfont.Face7x13}
	for i, line := range lines {
		d.Dot = fixed.P(baseline.X, baseline.Y+i*sheetLine)
		d.DrawString(line)
	}
}

// wrap breaks text into at most lines lines of at most letters letters, at spaces where it can, and ends what it cuts with
// dots. Whatever does not print is left out.
func wrap(text string, letters, lines int) []string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text[:min(len(text), 16*letters*lines)])
	var out []string
	rest := []rune(strings.Join(strings.Fields(text), " "))
	for len(rest) > letters && len(out) < lines-1 {
		cut := letters
		for cut > 0 && rest[cut] != ' ' {
			cut--
		}
		if cut == 0 {
			cut = letters // a word longer than the line
		}
		out = append(out, string(rest[:cut]))
		rest = []rune(strings.TrimSpace(string(rest[cut:])))
	}
	if len(rest) > letters {
		rest = append(rest[:letters-2], '.', '.')
	}
	return append(out, string(rest))
}
