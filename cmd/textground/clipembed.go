package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/segment"
	"github.com/textground/textground/tcl"
)

// embeddings is what a CLIP makes of texts and pictures, raw: [.., E]. Cosines has a row a picture.
type embeddings struct {
	Weights string      `json:"weights"`
	Frozen  string      `json:"frozen"` // digest of the CLIP's file and the vocabulary, as runs record it
	Tokens  [][]int32   `json:"tokens"`
	Texts   [][]float32 `json:"texts"`
	Images  [][]float32 `json:"images"`
	Cosines [][]float64 `json:"cosines"`
}

type embedFlags struct {
	weights, device string
	threads         int
	texts, images   []string
	asJSON          bool
}

func newCLIPEmbed() *cobra.Command {
	var f embedFlags
	c := &cobra.Command{
		Use: "embed --weights FILE", Short: "Embeddings of texts and pictures, and how well they fit", Args: cobra.NoArgs,
		Long: `Embed whole pictures and texts by a frozen CLIP. A picture's short side is resized to the training size and its middle cut
out; pixels are normalised as TCL does, with ImageNet's mean and deviation and not CLIP's own.`,
		Example: `  textground clip embed --weights clip.safetensors --image cat.jpg --text "a cat" --text "a dog"
  textground clip embed --weights clip.safetensors --text "a cat" --json`,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	c.Flags().StringVar(&f.weights, "weights", "builtin:world", "safetensors file of a CLIP, as textground import writes it")
	c.Flags().StringArrayVar(&f.texts, "text", nil, "a text; may be given several times")
	c.Flags().StringArrayVar(&f.images, "image", nil, "a picture; may be given several times")
	c.Flags().StringVar(&f.device, "device", "auto", "cuda[:N], cpu, ref or auto")
	c.Flags().IntVar(&f.threads, "threads", 0, "threads (0: all cores)")
	c.Flags().BoolVar(&f.asJSON, "json", false, "one JSON object, with token ids and all numbers")
	return c
}

func (f *embedFlags) run(c *cobra.Command) error {
	if len(f.texts)+len(f.images) == 0 {
		return badInput("nothing to embed; give --text or --image, each as often as you like")
	}
	model := proto.Model{CLIP: f.weights, Vocabulary: "builtin:world"}
	if f.weights != "builtin:world" {
		own, err := (&groundingFlags{weights: f.weights}).ownCLIP()
		if err != nil {
			return err
		}
		if own == nil {
			return badInput(fmt.Sprintf("--weights %s holds no CLIP; make such a file with: textground import", f.weights))
		}
		model = *own
	}
	a, err := assembleModel(&proto.RunFile{Model: model})
	if err != nil {
		return err
	}
	out, err := f.embed(a)
	if err != nil {
		return err
	}
	if f.asJSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(out)
	}
	return f.tell(c.OutOrStdout(), out)
}

func (f *embedFlags) embed(a *assembly) (*embeddings, error) {
	dev, err := devices.Open(f.device, f.threads)
	if err != nil {
		return nil, badInput(err.Error())
	}
	defer dev.Close()
	model, err := tcl.NewModel(dev, a.config, tcl.PaperMethod(), a.clip, a.initialGrounder(), tcl.ModelOptions{})
	if err != nil {
		return nil, err
	}
	defer model.Close()
	out := &embeddings{Weights: f.weights, Frozen: a.frozen}
	for _, text := range f.texts {
		out.Tokens = append(out.Tokens, a.tokenizer.Encode(text))
	}
	texts, err := model.EmbedTexts(out.Tokens)
	if err != nil {
		return nil, err
	}
	out.Texts = rowsOf(texts, a.config.Vision.Embed)
	side := a.config.Vision.Image
	for _, path := range f.images {
		img, err := segment.ReadImage(path)
		if err != nil {
			return nil, badInput(err.Error())
		}
		pixels := make([]float32, 3*side*side)
		dataset.Augment(pixels, img, side, dataset.NoAugment(), nil)
		embedding, err := model.EmbedImages(dense.Of(pixels, 1, 3, side, side))
		if err != nil {
			return nil, err
		}
		out.Images = append(out.Images, embedding)
	}
	out.compare()
	return out, nil
}

func rowsOf(values []float32, width int) (rows [][]float32) {
	for from := 0; from < len(values); from += width {
		rows = append(rows, values[from:from+width])
	}
	return rows
}

func (e *embeddings) compare() {
	for _, image := range e.Images {
		row := []float64{}
		for _, text := range e.Texts {
			row = append(row, product(image, text)/math.Sqrt(product(image, image)*product(text, text)))
		}
		e.Cosines = append(e.Cosines, row)
	}
}

func product(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func (f *embedFlags) tell(out io.Writer, e *embeddings) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, text := range f.texts {
		ids := e.Tokens[i]
		n := len(ids)
		for n > 0 && ids[n-1] == 0 {
			n--
		}
		fmt.Fprintf(table, "%q\t%d tokens\tnorm %.4f\n", text, n, math.Sqrt(product(e.Texts[i], e.Texts[i])))
	}
	for i, image := range f.images {
		fmt.Fprintf(table, "%s\t\tnorm %.4f\n", image, math.Sqrt(product(e.Images[i], e.Images[i])))
		for j, cosine := range e.Cosines[i] {
			fmt.Fprintf(table, "  with %q\t\tcosine %.4f\n", f.texts[j], cosine)
		}
	}
	fmt.Fprintf(table, "frozen weights %.12s of %s\n", e.Frozen, e.Weights)
	return table.Flush()
}
