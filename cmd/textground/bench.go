package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/internal/philox"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/kernels/kerneltest"
	"github.com/textground/textground/tcl"
)

func newBench() *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "Measure this machine: kernels one by one, or a whole step"}
	c.AddCommand(newBenchKernels(), newBenchStep())
	return c
}

// benchFlags say on what is measured and how much.
type benchFlags struct {
	device, only          string
	threads, batch, texts int
	asJSON                bool
}

func (f *benchFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.device, "device", "auto", "cuda[:N], cpu, ref or auto")
	flags.IntVar(&f.threads, "threads", 0, "threads (0: all cores)")
	flags.IntVar(&f.batch, "micro-batch", 4, "images a lane")
	flags.IntVar(&f.texts, "batch", 64, "pairs a step: the texts that every image is compared with; a multiple of --micro-batch")
	flags.BoolVar(&f.asJSON, "json", false, "one JSON object a line")
}

func (f *benchFlags) open() (kernels.Device, error) {
	if f.batch < 1 || f.texts < 1 || f.texts%f.batch != 0 {
		return nil, badInput(fmt.Sprintf("--micro-batch %d must divide --batch %d", f.batch, f.texts))
	}
	dev, err := devices.Open(f.device, f.threads)
	if err != nil {
		return nil, badInput(err.Error())
	}
	return dev, nil
}

// eachFor is how long one kernel is measured at least.
const eachFor = 300 * time.Millisecond

// kernelLine is what bench kernels says of one operation.
type kernelLine struct {
	Device    string  `json:"device"`
	Kernel    string  `json:"kernel"`
	Seconds   float64 `json:"seconds"`
	TFLOPs    float64 `json:"tflops,omitempty"`
	GBs       float64 `json:"gbs,omitempty"`
	Peer      float64 `json:"cublaslt_tflops,omitempty"`
	PeerError string  `json:"cublaslt_error,omitempty"`
}

// peered is a device beside whose products NVIDIA's can be measured.
type peered interface {
	PeerProduct(rows, cols, inner, calls int) (seconds float64, err error)
}

func newBenchKernels() *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use: "kernels", Short: "Time every kernel at the sizes of a ViT-B/16 step; on NVIDIA cards beside cuBLASLt", Args: cobra.NoArgs,
		Example: "  textground bench kernels --device cuda --micro-batch 64 --batch 1024\n  textground bench kernels --device cpu --only MatMul",
		RunE: func(c *cobra.Command, _ []string) error {
			dev, err := f.open()
			if err != nil {
				return err
			}
			defer dev.Close()
			return f.kernels(c, dev)
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.only, "only", "", "only kernels with this in their name")
	return c
}

func (f *benchFlags) kernels(c *cobra.Command, dev kernels.Device) error {
	out := c.OutOrStdout()
	lines := json.NewEncoder(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "%s\tms\tTFLOP/s\tGB/s\tcuBLASLt TFLOP/s\t\n", dev.Name())
	for t, err := range kerneltest.Time(dev, f.batch, f.texts, f.only, eachFor) {
		if err != nil {
			return err
		}
		line := kernelLine{Device: dev.Name(), Kernel: t.Name, Seconds: t.Seconds, TFLOPs: t.Flops / t.Seconds / 1e12, GBs: t.Bytes / t.Seconds / 1e9}
		line.compare(dev, t)
		if f.asJSON {
			if err := lines.Encode(line); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(table, "%s\t%.3f\t%s\t%s\t%s\t\n", line.Kernel, 1e3*line.Seconds, figure(line.TFLOPs, "%.3f"), figure(line.GBs, "%.1f"), line.peer())
	}
	if f.asJSON {
		return nil
	}
	return table.Flush()
}

// compare measures the peer of a product, for as long.
func (l *kernelLine) compare(dev kernels.Device, t kerneltest.Timing) {
	p, ok := dev.(peered)
	if !ok || t.Product == nil {
		return
	}
	calls := max(1, min(1000, int(eachFor.Seconds()/t.Seconds)))
	seconds, err := p.PeerProduct(t.Product[0], t.Product[1], t.Product[2], calls)
	if err != nil {
		l.PeerError = err.Error()
		return
	}
	l.Peer = t.Flops / seconds / 1e12
}

func (l *kernelLine) peer() string {
	if l.PeerError != "" {
		return l.PeerError
	}
	return figure(l.Peer, "%.3f")
}

// figure prints a number that was measured.
func figure(v float64, format string) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

// benchedModel is CLIP ViT-B/16, the model of the paper.
var benchedModel = tcl.Config{Vision: tcl.Vision{Image: 224, Patch: 16, Width: 768, Layers: 12, Heads: 12, Embed: 512},
	Text: tcl.Text{Context: 77, Vocab: 49408, Width: 512, Layers: 12, Heads: 8}}

// stepLine is what bench step says of a phase.
type stepLine struct {
	Device  string  `json:"device"`
	Phase   int     `json:"phase"`
	Batch   int     `json:"micro_batch"`
	Texts   int     `json:"batch"`
	Seconds float64 `json:"seconds"`
	Images  float64 `json:"images_per_second"`
	Peak    int64   `json:"peak_bytes"`
}

func newBenchStep() *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use: "step", Short: "Time one lane of a ViT-B/16 step in both phases, from captions to the update", Args: cobra.NoArgs,
		Long: "Time one lane of a step at ViT-B/16 with weights of no meaning: caption embeddings, forward, backward, clipping and\nupdate, without loading, exchanges or saves. scripts/gpu/step.py takes the same step in PyTorch.",
		RunE: func(c *cobra.Command, _ []string) error {
			dev, err := f.open()
			if err != nil {
				return err
			}
			defer dev.Close()
			for phase := 1; phase <= 2; phase++ {
				line, err := f.step(dev, phase)
				if err != nil {
					return err
				}
				if f.asJSON {
					if err := json.NewEncoder(c.OutOrStdout()).Encode(line); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(c.OutOrStdout(), "%s phase %d: %.1f ms a step of %d images against %d texts, %.1f images/s, %d MiB\n",
					line.Device, phase, 1e3*line.Seconds, line.Batch, line.Texts, line.Images, line.Peak>>20)
			}
			return nil
		},
	}
	f.add(c)
	return c
}

// step measures one phase: a step that is not counted, and then as many as take three seconds.
func (f *benchFlags) step(dev kernels.Device, phase int) (stepLine, error) {
	line := stepLine{Device: dev.Name(), Phase: phase, Batch: f.batch, Texts: f.texts}
	model, err := tcl.NewModel(dev, benchedModel, tcl.PaperMethod(), meaningless(tcl.CLIPParameters(benchedModel)), meaningless(tcl.Trainables(benchedModel)),
		tcl.ModelOptions{MicroBatch: f.batch, GlobalBatch: f.texts, Optimiser: tcl.PaperOptimiser()})
	if err != nil {
		return line, err
	}
	defer model.Close()
	lane := newBenchedLane(model, f.batch, f.texts, phase)
	if err := lane.step(); err != nil {
		return line, err
	}
	dev.ResetPeak()
	start, steps := time.Now(), 0
	for ; time.Since(start) < 3*time.Second; steps++ {
		if err := lane.step(); err != nil {
			return line, err
		}
	}
	line.Seconds = time.Since(start).Seconds() / float64(steps)
	line.Images, line.Peak = float64(f.batch)/line.Seconds, dev.Peak()
	return line, nil
}

// meaningless returns small random weights.
func meaningless(parameters []tcl.Parameter) tcl.Weights {
	weights, key := tcl.Weights{}, philox.NewKey(1, philox.Test)
	for i, p := range parameters {
		values := make([]float32, p.Len())
		key.Uniforms(values, uint32(i), 0)
		for k, u := range values {
			values[k] = (u - 0.5) / 16
		}
		weights[p.Name] = dense.Of(values, p.Shape...)
	}
	return weights
}

// benchedLane is one lane's inputs.
type benchedLane struct {
	model   *tcl.Model
	phase   int
	tokens  [][]int32
	batch   tcl.Batch
	texts   []float32
	columns []float64
	grads   []float32
}

func newBenchedLane(model *tcl.Model, batch, pairs, phase int) *benchedLane {
	config := model.Config()
	side, key := config.Vision.Image, philox.NewKey(2, philox.Test)
	draw := func(lane uint32, n int) []float32 {
		values := make([]float32, n)
		key.Uniforms(values, 0, lane)
		return values
	}
	l := &benchedLane{model: model, phase: phase, texts: draw(0, pairs*config.Vision.Embed), grads: make([]float32, model.GradientLen(phase))}
	l.batch = tcl.Batch{Images: dense.Of(draw(1, batch*3*side*side), batch, 3, side, side), Noise: draw(2, batch*config.Positions())}
	for range batch { // captions of eleven tokens, as people write them
		caption := make([]int32, config.Text.Context)
		copy(caption, []int32{int32(config.Text.Vocab - 2), 5, 6, 7, 8, 9, 10, 11, 12, 13, int32(config.Text.Vocab - 1)})
		l.tokens = append(l.tokens, caption)
	}
	return l
}

// step is the work of a worker for one lane, without the others.
func (l *benchedLane) step() error {
	own, err := l.model.EmbedTexts(l.tokens)
	if err != nil {
		return err
	}
	copy(l.texts, own)
	pass, err := l.model.Forward(l.batch, l.texts)
	if err != nil {
		return err
	}
	defer l.model.Release(pass)
	if l.columns, err = pass.Columns(); err != nil {
		return err
	}
	if _, err := l.model.Backward(pass, l.columns, l.phase, l.grads, nil); err != nil {
		return err
	}
	_, err = l.model.Apply(l.grads, l.phase, tcl.Rates{Rate: 1e-6, Count: 1000, BlockCount: 1000})
	return err
}
