// Package resample is the arithmetic of scaling pictures: weighted sums of 8-bit pixels in fixed point, rows first, then columns.
//
// [Resize] is C with vector code where cgo is there, Go elsewhere. All ways compute the same integers, so that the choice changes no
// bit; the test compares them all. Which pixels weigh how much is package dataset's to say ([Taps]); nobody else calls this.
package resample
