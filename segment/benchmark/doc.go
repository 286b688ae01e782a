// Package benchmark reads the eight data sets on which text-grounded segmentation is measured, as they are published, and
// keeps the card that belongs to each number.
//
// [Find] names a [Benchmark]: its classes, whether it has a background, whether label 0 counts (tcl-spec section 8).
// [Benchmark.Open] finds the data set under a directory and lists the images of the validation split as a [Set]; one table
// in layout.go holds where each set keeps what. [Set.Evaluate] segments the images, or one share of them, and counts into a
// [Part]; [Set.Join] puts the parts of all shares together. Counts are whole numbers, and the scores of an image do not
// depend on the images beside it, so any number of shares gives the same mIoU to the last bit.
//
// A [Card] says under what protocol, on which files and with which weights a number was found; [Card.Differs] tells whether
// it can be repeated. The command line is the only caller. Nothing here starts a goroutine.
package benchmark
