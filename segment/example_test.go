package segment_test

import (
	"fmt"

	"github.com/textground/textground/segment"
)

// A label map becomes COCO's run lengths.
func ExampleLabelMap_RLE() {
	labels := segment.LabelMap{Width: 4, Height: 3, Pix: []uint8{
		0, 1, 1, 0,
		0, 1, 1, 0,
		0, 0, 0, 2,
	}}
	fmt.Println(labels.RLE(1))
	// Output: {[3 4] 32103}
}
