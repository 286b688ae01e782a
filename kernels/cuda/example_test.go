package cuda_test

import (
	"fmt"

	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/cuda"
)

// What it prints depends on the machine, so it is compiled and not run.
func Example() {
	system, err := cuda.Describe()
	if err != nil {
		fmt.Println("no card:", err) // an ordinary error: no CUDA in this binary, no driver, a driver that is too old
		return
	}
	for _, card := range system.Cards {
		fmt.Printf("cuda:%d %s, %d MiB free: %s\n", card.Index, card.Name, card.Free>>20, card.Kernels)
	}
	dev, err := cuda.Open(0, cuda.BFloat16)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer dev.Close()
	x := dev.Alloc(kernels.Float32, 2, 3)
	dev.Upload(x, []float32{1, 2, 3, 4, 5, 6})
	dev.AddTo(x, x)
	sums := make([]float32, 6)
	if err := dev.Download(sums, x); err != nil {
		fmt.Println(err) // names card, kernel and the driver's error
	}
}
