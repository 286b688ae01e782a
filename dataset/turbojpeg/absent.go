//go:build !cgo || !(linux || darwin)

package turbojpeg

import (
	"errors"
	"image"
)

// Library is libjpeg-turbo, which this build cannot open.
type Library struct{}

// Open always fails: opening a library takes cgo, on Linux or macOS.
func Open() (*Library, error) {
	return nil, errors.New("this build cannot open libraries: it takes cgo, on Linux or macOS")
}

// Digest is never called, as there is no Library.
func (*Library) Digest() string { panic("turbojpeg: no library") }

// Decode is never called, as there is no Library.
func (*Library) Decode([]byte, int, image.Rectangle, []uint8) (image.Rectangle, []uint8, error) {
	panic("turbojpeg: no library")
}
