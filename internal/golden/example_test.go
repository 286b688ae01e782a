package golden_test

import (
	"fmt"
	"log"
	"os"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/internal/golden"
	"github.com/textground/textground/kernels/ref"
)

func ExampleReplay() {
	data, err := os.ReadFile("testdata/resize.safetensors")
	if err != nil {
		log.Fatal(err)
	}
	file, err := safetensors.Read(data)
	if err != nil {
		log.Fatal(err)
	}
	report, err := golden.Replay("resize.safetensors", file, ref.New())
	if err != nil {
		log.Fatal(err)
	}
	for _, group := range report.Groups {
		fmt.Println(group.Name, len(group.Entries), group.Worst().OK())
	}
	// Output:
	// resized 20 true
}
