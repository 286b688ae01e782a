//go:build !cgo || !(linux || darwin)

package turbojpeg

import "image"

// Planar reads and writes the planes of JPEGs, which this build cannot do.
type Planar struct{}

// Room is memory for reading and writing.
type Room struct{}

// OpenPlanar always fails, as Open does.
func OpenPlanar() (*Planar, error) {
	_, err := Open()
	return nil, err
}

// Digest is never called, as there is no Planar.
func (*Planar) Digest() string { panic("turbojpeg: no library") }

// Read is never called, as there is no Planar.
func (*Planar) Read([]byte, int, *Room) (image.Image, error) { panic("turbojpeg: no library") }

// Write is never called, as there is no Planar.
func (*Planar) Write(image.Image, int, *Room) ([]byte, error) { panic("turbojpeg: no library") }
