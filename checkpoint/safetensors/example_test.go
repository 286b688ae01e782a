package safetensors_test

import (
	"fmt"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/internal/dense"
)

func Example() {
	data, err := safetensors.Encode([]safetensors.Tensor{
		safetensors.Of("decoder.weight", dense.Of([]float32{1, 2, 3, 4}, 2, 2)),
		safetensors.Of("decoder.gate", dense.Of([]float32{0.5})), // rank 0
	}, map[string]string{"format": "example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	file, err := safetensors.Read(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range file.Tensors {
		values, _ := t.Float32s()
		fmt.Println(t.Name, t.DType, t.Shape, values)
	}
	_, err = safetensors.Read(data[:len(data)-1])
	fmt.Println(err)
	// Output:
	// decoder.gate F32 [] [0.5]
	// decoder.weight F32 [2 2] [1 2 3 4]
	// safetensors: tensor "decoder.weight" ends at 20 of a buffer of 19 bytes (byte 188 breaks the rule: data_offsets are two non-negative integers in order, inside the buffer)
}
