package dense_test

import (
	"fmt"

	"github.com/textground/textground/internal/dense"
)

func Example() {
	scores := dense.Of([]float32{0.1, 0.9, 0.4, 0.2, 0.3, 0.8}, 2, 3)
	values, err := dense.Values[float32](scores, 2, 3)
	fmt.Println(values, err)
	_, err = dense.Values[float32](scores, 3, 2)
	fmt.Println(err)
	// Output:
	// [0.1 0.9 0.4 0.2 0.3 0.8] <nil>
	// a tensor of float32 [2 3], wanted float32 [3 2]
}
