package tcl_test

import (
	"fmt"
	"log"
	"os"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/kernels/ref"
	"github.com/textground/textground/tcl"
)

// One step of a run that has a single lane: where V lanes train, texts are concatenated over them, and columns and
// gradients are summed.
func ExampleModel() {
	const file = "../internal/golden/testdata/tiny_p1.safetensors" // holds a small CLIP
	data, err := os.ReadFile(file)
	check(err)
	weights, err := safetensors.Read(data)
	check(err)
	cfg, clip, err := tcl.LoadCLIP(file, weights)
	check(err)
	ground := tcl.InitialGrounder(cfg, clip, tcl.GrounderInit{Scale: 10, Bias: -2.5, Seed: 1})
	model, err := tcl.NewModel(ref.New(), cfg, tcl.PaperMethod(), clip, ground, tcl.ModelOptions{
		MicroBatch: 2, GlobalBatch: 2, Optimiser: tcl.PaperOptimiser()})
	check(err)
	defer model.Close()

	texts, err := model.EmbedTexts(captions(cfg))
	check(err)
	side := cfg.Vision.Image
	pass, err := model.Forward(tcl.Batch{
		Images: dense.Of(uniforms(2*3*side*side, 1), 2, 3, side, side), Noise: uniforms(2*cfg.Positions(), 2)}, texts)
	check(err)
	columns, err := pass.Columns()
	check(err)
	gradient := make([]float32, model.GradientLen(1))
	losses, err := model.Backward(pass, columns, 1, gradient, nil)
	check(err)
	model.Release(pass)
	_, err = model.Apply(gradient, 1, tcl.Rates{Rate: 1e-3, Count: 1})
	check(err)

	fmt.Println(len(gradient), "gradients")
	fmt.Printf("InfoNCE of two pairs: %.1f\n", losses[tcl.TCLFeature])
	// Output:
	// 150408 gradients
	// InfoNCE of two pairs: 1.1
}

func captions(cfg tcl.Config) [][]int32 {
	list := [][]int32{make([]int32, cfg.Text.Context), make([]int32, cfg.Text.Context)}
	copy(list[0], []int32{62, 5, 9, 63})
	copy(list[1], []int32{62, 7, 63})
	return list
}

func uniforms(n int, use uint32) []float32 {
	values := make([]float32, n)
	philox.NewKey(1, philox.Test).Uniforms(values, use, 0)
	return values
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
