package devices_test

import (
	"fmt"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/devices"
)

func Example() {
	dev, err := devices.Open("ref", 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dev.Close()
	a, b, c := dev.Alloc(kernels.Float32, 1, 2), dev.Alloc(kernels.Float32, 2, 2), dev.Alloc(kernels.Float32, 1, 2)
	dev.Upload(a, []float32{1, 2})
	dev.Upload(b, []float32{3, 4, 5, 6})
	dev.MatMul(c, a, b, kernels.MatMul{})
	result := make([]float32, 2)
	if err := dev.Download(result, c); err != nil {
		fmt.Println(err)
	}
	fmt.Println(result)
	// Output: [13 16]
}
