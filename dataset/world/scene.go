package world

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"slices"

	"github.com/textground/textground/internal/philox"
)

const (
	// Size is the side of a scene in pixels unless a configuration says otherwise.
	Size = 64
	// EvalFirst is the number of the first evaluation scene.
	EvalFirst = 1 << 30

	oversampling = 4 // canvas pixels to a final pixel, in each direction
	grid         = 8 // objects stand near the corners of a grid of this many cells, where a patch of a small vision transformer sees them whole
)

// Scene is one picture with its caption and true masks.
type Scene struct {
	Image     *image.RGBA // [Size, Size], before it is stored as JPEG
	Mask      []uint8     // [Size*Size] row-major: 0 background, 1..16 the noun of the topmost object
	Caption   string
	Objects   []int   // places in Nouns of what was painted, the bottom one first
	NamedArea float64 // share of the pixels that belong to objects in the caption
}

// Draw returns scene i of the world of a seed. It depends on nothing else.
func Draw(seed uint64, i int) Scene { return drawSized(seed, i, Size) }

func drawSized(seed uint64, i, size int) Scene {
	r := philox.NewKey(seed, philox.World).Stream(uint32(i), 0, 0)
	c := background(r, size).doubled()
	ids := make([]int8, c.side*c.side)
	for j := range ids {
		ids[j] = nothing
	}
	objects := populate(r, c, ids)
	mask := maskOf(ids, objects, size)
	named, area := nameable(mask, objects)
	shuffled := make([]object, len(named))
	for to, from := range r.Perm(len(named)) {
		shuffled[to] = named[from]
	}
	s := Scene{Mask: mask, NamedArea: area, Caption: caption(r, shuffled), Image: photograph(r, c, size)}
	for _, o := range objects {
		s.Objects = append(s.Objects, o.noun)
	}
	return s
}

const nothing = -1

// placed is the square of an object, in shares of the image's side.
type placed struct{ cx, cy, side float64 }

// populate paints one to four objects of different nouns, later ones over earlier ones; those that find no room stay away.
func populate(r *philox.Stream, c *canvas, ids []int8) []object {
	count := weighted(r, 0.3, 0.35, 0.2, 0.15) + 1
	nouns := r.Perm(len(Nouns))[:count]
	var objects []object
	var boxes []placed
	for i, noun := range nouns {
		box, ok := place(r, drawSide(r, i, count), boxes)
		if !ok && i > 0 {
			continue
		}
		boxes = append(boxes, box)
		n := float64(c.side)
		cx, cy, side := box.cx*n, box.cy*n, box.side*n
		o := object{noun, drawColour(r, noun, c.mean(cx, cy, side)), Textures[weighted(r, 0.61, 0.13, 0.13, 0.13)]}
		o.paint(r, c, ids, int8(len(objects)), cx, cy, side)
		objects = append(objects, o)
	}
	return objects
}

// weighted draws an index with the given probabilities.
func weighted(r *philox.Stream, p ...float64) int {
	u := r.Float()
	for i, v := range p {
		if u < v {
			return i
		}
		u -= v
	}
	return len(p) - 1
}

// drawSide is the size of object i of count, as a share of the image: a main one, a second, then small ones.
func drawSide(r *philox.Stream, i, count int) float64 {
	switch {
	case count == 1:
		return r.Range(0.42, 0.68)
	case i == 0:
		return r.Range(0.42, 0.60)
	case i == 1:
		return r.Range(0.36, 0.50)
	}
	return r.Range(0.14, 0.26)
}

// place looks twenty times for a centre that keeps clear of the others, the last ten times less strictly.
func place(r *philox.Stream, side float64, others []placed) (placed, bool) {
	var box placed
	for try := range 20 {
		margin := 0.42
		if try >= 10 {
			margin = 0.3
		}
		box = placed{drawCentre(r, side), drawCentre(r, side), side}
		crowded := slices.ContainsFunc(others, func(o placed) bool {
			return max(math.Abs(box.cx-o.cx), math.Abs(box.cy-o.cy)) <= margin*(side+o.side)
		})
		if !crowded {
			return box, true
		}
	}
	return box, false
}

func drawCentre(r *philox.Stream, side float64) float64 {
	return math.Round(r.Range(side*0.42, 1-side*0.42)*grid)/grid + 0.008*r.Normal()
}

// drawColour mostly takes the noun's typical colour in the first tries, and tries again where it would hardly show.
func drawColour(r *philox.Stream, noun int, local rgb) int {
	var colour int
	for try := range 6 {
		if try < 3 && r.Chance(0.55) {
			colour = slices.Index(Colours, typical[noun])
		} else {
			colour = r.Intn(len(Colours))
		}
		if p := palette[colour]; hsv(p[0], p[1], p[2]).distance(local) > 110 {
			break
		}
	}
	return colour
}

// maskOf gives each final pixel the noun of the object with most canvas pixels in it, if objects cover at least half.
func maskOf(ids []int8, objects []object, size int) []uint8 {
	mask := make([]uint8, size*size)
	for y := range size {
		for x := range size {
			var counts [4]int
			covered := 0
			for dy := range oversampling {
				row := ((y*oversampling+dy)*size + x) * oversampling
				for _, id := range ids[row : row+oversampling] {
					if id != nothing {
						counts[id]++
						covered++
					}
				}
			}
			if 2*covered < oversampling*oversampling {
				continue
			}
			top := slices.Index(counts[:], slices.Max(counts[:]))
			mask[y*size+x] = uint8(objects[top].noun + 1)
		}
	}
	return mask
}

// nameable returns what a caption speaks of: the largest object, and the second largest if it covers more than 2 % of the
// image and a quarter of the first; and the share of the image that they cover.
func nameable(mask []uint8, objects []object) ([]object, float64) {
	area := func(o object) float64 {
		n := 0
		for _, v := range mask {
			if int(v) == o.noun+1 {
				n++
			}
		}
		return float64(n) / float64(len(mask))
	}
	largest := slices.Clone(objects)
	slices.SortStableFunc(largest, func(a, b object) int {
		if area(a) > area(b) {
			return -1
		}
		if area(a) < area(b) {
			return 1
		}
		return 0
	})
	first := area(largest[0])
	if len(largest) == 1 {
		return largest, first
	}
	if second := area(largest[1]); second > 0.02 && second > first/4 {
		return largest[:2], first + second
	}
	return largest[:1], first
}

// photograph reduces the canvas to its final size and gives it the contrast, brightness and tint of some camera.
func photograph(r *philox.Stream, c *canvas, size int) *image.RGBA {
	contrast, brightness := r.Range(0.85, 1.12), 8*r.Normal()
	tint := [3]float64{4 * r.Normal(), 4 * r.Normal(), 4 * r.Normal()}
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			colour := c.block(x, y)
			for ch, v := range colour {
				colour[ch] = (v-128)*contrast + 128 + brightness + tint[ch]
			}
			b := colour.bytes()
			copy(img.Pix[img.PixOffset(x, y):], []uint8{b[0], b[1], b[2], 255})
		}
	}
	return img
}

// block averages the canvas pixels of a final pixel.
func (c *canvas) block(x, y int) rgb {
	var sum [3]int
	for dy := range oversampling {
		row := c.pix[((y*oversampling+dy)*c.side+x*oversampling)*3:][:3*oversampling]
		for i := 0; i < len(row); i += 3 {
			sum[0], sum[1], sum[2] = sum[0]+int(row[i]), sum[1]+int(row[i+1]), sum[2]+int(row[i+2])
		}
	}
	const n = oversampling * oversampling
	return rgb{float64(sum[0]) / n, float64(sum[1]) / n, float64(sum[2]) / n}
}

// JPEG returns the picture as shards hold it, at quality 85.
func (s Scene) JPEG() []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, s.Image, &jpeg.Options{Quality: 85}); err != nil {
		panic(fmt.Sprintf("encoding a scene as JPEG: %v", err)) // a buffer takes everything
	}
	return b.Bytes()
}

// MaskPNG returns the mask as a grey PNG whose pixel values are the mask's.
func (s Scene) MaskPNG() []byte {
	size := s.Image.Rect.Dx()
	var b bytes.Buffer
	if err := png.Encode(&b, &image.Gray{Pix: s.Mask, Stride: size, Rect: s.Image.Rect}); err != nil {
		panic(fmt.Sprintf("encoding a mask as PNG: %v", err))
	}
	return b.Bytes()
}
