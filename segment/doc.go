// Package segment turns text and an image into masks, and measures masks against true ones.
//
// A [Segmenter] holds a model and a [Protocol]: how an image is resized, cut into windows and put together again, and how
// names become sentences (tcl-spec section 8). [Segmenter.Classes] embeds the names once. [Segmenter.Scores] takes images
// through the stages: resize.go, windows.go (grounding, PAMR, CLIP mix), average, back to the size of the image, a constant
// score for the background; [Scores.Labels] picks the best class at each pixel. [Segmenter.Evaluate] does so for a set of
// images with true labels, such as [World] or [Directory], and counts a [Confusion] matrix.
//
// What people look at is made here too: [Overlay], [Sheet], label maps as PNG, COCO's run lengths. The command line calls
// segment and evaluate; internal/golden holds every stage to the inference goldens. A Segmenter belongs to one goroutine,
// as its model does. Equal inputs give equal bits, and the scores of an image do not depend on the images beside it.
package segment
