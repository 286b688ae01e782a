package segment_test

import (
	"fmt"

	"github.com/textground/textground/segment"
)

// A label map becomes COCO's run lengths.
func ExampleLabelMap_RLE() {
	labels := segment.NewLabelMap(3, 4, []uint8{
		0, 1, 1, 0,
		0, 1, 1, 0,
		0, 0, 0, 2,
	})
	fmt.Println(labels.RLE(1))
	// Output: {[3 4] 32103}
}
