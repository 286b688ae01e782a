// Package resample is the arithmetic of moving and scaling pictures.
//
// [Resize] makes weighted sums of 8-bit pixels in fixed point, rows first, then columns; which pixels weigh how much is package
// dataset's to say ([Taps]). [Warp] shears, shifts and turns, with numbers of 64 bits as Pillow has them. Both are C with vector code
// where cgo is there, Go elsewhere. All ways give the same bytes, so that the choice changes no bit; the tests compare them all. Nobody
// but package dataset calls this.
package resample
