package dataset

import "sync"

// views are pictures of a view's size that nobody looks at any more: a training image goes through up to four of them, and neither
// allocating nor clearing them is free.
var views = sync.Pool{New: func() any { return new(Image) }}

// borrowImage returns a picture with anything in it, for [giveBack].
func borrowImage(width, height int) *Image {
	img, n := views.Get().(*Image), 3*width*height
	if cap(img.Pix) < n {
		img.Pix = make([]uint8, n)
	}
	*img = Image{Width: width, Height: height, Pix: img.Pix[:n]}
	return img
}

// giveBack lets a borrowed picture become another one. The caller was the last to use it.
func giveBack(img *Image) { views.Put(img) }

// replaced gives the old picture back, unless the next one is the same, and returns the next one.
func replaced(old, next *Image) *Image {
	if old != next {
		giveBack(old)
	}
	return next
}
