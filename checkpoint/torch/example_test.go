package torch_test

import (
	"bytes"
	"fmt"

	"github.com/textground/textground/checkpoint/torch"
)

func Example() {
	var file bytes.Buffer
	if err := torch.Write(&file, "model", []torch.Named{{Name: "proj", Shape: []int{2, 2}, Values: []float32{1, 2, 3, 4}}}); err != nil {
		panic(err)
	}
	f, err := torch.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		panic(err)
	}
	for _, t := range f.Tensors {
		values, err := f.Float32s(t.Name)
		fmt.Println(t.Name, t.DType, t.Shape, values, err)
	}
	// Output: model.proj F32 [2 2] [1 2 3 4] <nil>
}
