package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/tcl"
)

// importReport is what textground import found and did, for --json too.
type importReport struct {
	Source     string     `json:"source"`
	Format     string     `json:"format"`
	Names      string     `json:"names"`
	Bytes      int64      `json:"bytes"`
	SHA256     string     `json:"sha256"`
	Model      string     `json:"model"`
	Config     tcl.Config `json:"config"`
	Values     int        `json:"values"`
	Grounder   bool       `json:"grounder"`
	Activation string     `json:"activation"`
	SaidBy     string     `json:"activation_said_by"`
	Dropped    []string   `json:"dropped"` // tensors
	Ignored    []string   `json:"ignored"` // classes of the pickle
	File       string     `json:"file,omitempty"`
}

type importFlags struct {
	to, activation string
	asJSON         bool
}

func newImport() *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use: "import SRC", Short: "Weights of others: OpenAI's, open_clip's, Hugging Face's CLIP, the published TCL", Args: exactArg("a file, or the URL of an object"),
		Long: `Read a CLIP (a ViT with OpenAI's architecture: ViT-B/16, ViT-B/32, ViT-L/14, with QuickGELU or the exact GELU) or a whole TCL
out of a file of others, and with --to write it as safetensors, which run files (model.clip) and --weights take. Without --to it
only says what is there.

SRC is a PyTorch file (.pt, .pth, .bin, TorchScript too), a safetensors file, or the .index.json of several; on this machine or
in a store. Nothing in it is executed: tensors are read, everything else is dropped and named.`,
		Example: `  textground import ViT-B-16.pt --to clip.safetensors
  textground import s3://models/clip-vit-base-patch16/model.safetensors --to clip.safetensors
  textground import open_clip_pytorch_model.bin --activation gelu --to clip.safetensors
  textground import tcl.pth --to tcl.safetensors`,
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	c.Flags().StringVar(&f.to, "to", "", "safetensors file to write")
	c.Flags().StringVar(&f.activation, "activation", "", "quick_gelu or gelu, where neither the file nor a config.json beside it says so")
	c.Flags().BoolVar(&f.asJSON, "json", false, "one JSON object")
	return c
}

func (f *importFlags) run(c *cobra.Command, src string) error {
	if f.to != "" && filepath.Ext(f.to) != ".safetensors" {
		return badInput(fmt.Sprintf("--to %s: import writes .safetensors; from there on: textground export", f.to))
	}
	report, in, err := readForeign(c.Context(), src, f.activation)
	if err != nil {
		return err
	}
	if f.to != "" {
		if err := writeWhole(f.to, func(w io.Writer) error {
			return writeSafetensors(w, in, map[string]string{"textground.source_sha256": report.SHA256})
		}); err != nil {
			return err
		}
		report.File = f.to
	}
	if f.asJSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(report)
	}
	report.tell(c.OutOrStdout())
	fmt.Fprintf(c.ErrOrStderr(), "next: %s\n", report.next())
	return nil
}

// readForeign opens a file of others and everything that its meaning depends on.
func readForeign(ctx context.Context, src, activation string) (*importReport, *tcl.Imported, error) {
	place, name, err := openPlace(ctx, src)
	if err != nil {
		return nil, nil, err
	}
	defer place.close()
	w, err := openWeights(ctx, place, name)
	defer w.close()
	if err != nil {
		return nil, nil, err
	}
	in, err := tcl.Import(src, w.source)
	if err != nil {
		return nil, nil, badInput(err.Error())
	}
	who, err := activationOf(ctx, place, w, in, activation)
	if err != nil {
		return nil, nil, err
	}
	r := &importReport{Source: src, Format: w.format, Names: in.Names, Bytes: w.bytes, SHA256: w.sha256, Model: modelName(in.Config), Config: in.Config,
		Grounder: in.Grounder != nil, Activation: in.Config.Activations(), SaidBy: who, Dropped: append([]string{}, in.Dropped...), Ignored: append([]string{}, w.ignored...)}
	for _, weights := range []tcl.Weights{in.CLIP, in.Grounder} {
		for _, t := range weights {
			r.Values += t.Len()
		}
	}
	return r, in, nil
}

// modelName calls a model as people do, who mean QuickGELU where they say nothing.
func modelName(c tcl.Config) string {
	if activations := c.Activations(); c != c.WithActivation(tcl.QuickGELU) {
		return modelName(c.WithActivation(tcl.QuickGELU)) + " with " + activations
	}
	v := c.Vision
	for _, known := range []struct {
		name  string
		sizes tcl.Vision
	}{
		{"ViT-B/16", tcl.Vision{Image: 224, Patch: 16, Width: 768, Layers: 12, Heads: 12, Embed: 512}},
		{"ViT-B/32", tcl.Vision{Image: 224, Patch: 32, Width: 768, Layers: 12, Heads: 12, Embed: 512}},
		{"ViT-L/14", tcl.Vision{Image: 224, Patch: 14, Width: 1024, Layers: 24, Heads: 16, Embed: 768}},
		{"ViT-L/14 at 336 px", tcl.Vision{Image: 336, Patch: 14, Width: 1024, Layers: 24, Heads: 16, Embed: 768}},
	} {
		if v == known.sizes {
			return known.name
		}
	}
	return fmt.Sprintf("a ViT of width %d with %d blocks and patches of %d px", v.Width, v.Layers, v.Patch)
}

func (r *importReport) tell(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	what := "CLIP"
	if r.Grounder {
		what = "TCL: CLIP and grounder"
	}
	fmt.Fprintf(table, "%s\t%s, %.1f MB\n", r.Source, r.Format, float64(r.Bytes)/1e6)
	fmt.Fprintf(table, "SHA-256\t%s\n", r.SHA256)
	fmt.Fprintf(table, "holds\t%s, %s, under %s, %d values\n", what, r.Model, r.Names, r.Values)
	t := r.Config.Text
	fmt.Fprintf(table, "sizes\timages of %d px, embedding %d; texts of %d tokens out of %d, width %d, %d blocks\n", r.Config.Vision.Image, r.Config.Vision.Embed, t.Context, t.Vocab, t.Width, t.Layers)
	fmt.Fprintf(table, "activation\t%s, said by: %s\n", r.Activation, r.SaidBy)
	fmt.Fprintf(table, "dropped\t%s\n", someOf(r.Dropped))
	if len(r.Ignored) > 0 {
		fmt.Fprintf(table, "not executed\t%s\n", someOf(r.Ignored))
	}
	if r.File != "" {
		fmt.Fprintf(table, "written\t%s\n", r.File)
	}
	table.Flush()
}

// someOf lists up to eight names; --json has all.
func someOf(names []string) string {
	const shown = 8
	if len(names) == 0 {
		return "nothing"
	}
	quoted := make([]string, 0, shown)
	for _, name := range names[:min(len(names), shown)] {
		quoted = append(quoted, strings.Trim(fmt.Sprintf("%q", name), `"`)) // names come from the file
	}
	text := strings.Join(quoted, ", ")
	if more := len(names) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more (--json)", more)
	}
	return text
}

func (r *importReport) next() string {
	switch {
	case r.File == "":
		return fmt.Sprintf("textground import %s --to %s.safetensors", r.Source, stem(r.Source))
	case r.Grounder:
		return fmt.Sprintf("textground segment IMAGE --text \"cat, tree\" --weights %s", r.File)
	}
	return fmt.Sprintf("textground clip embed --weights %s --text \"a cat\", or a run file with model: {clip: %s, vocabulary: builtin:clip}", r.File, r.File)
}

// namedWeights are a model's tensors under the names that it is written with: OpenAI's for a CLIP alone, otherwise the
// reference's.
func namedWeights(in *tcl.Imported) tcl.Weights {
	if in.Grounder == nil {
		return in.CLIP
	}
	return tcl.ReferenceState(in.Config, in.CLIP, in.Grounder)
}

// writeSafetensors writes a model with what no shape tells.
func writeSafetensors(w io.Writer, in *tcl.Imported, more map[string]string) error {
	config, err := json.Marshal(in.Config)
	if err != nil {
		return err
	}
	metadata := map[string]string{"format": "pt", "config": string(config)}
	if a := in.Config.Vision.Activation; a == in.Config.Text.Activation {
		metadata[tcl.ActivationKey] = a.String()
	}
	for key, value := range more {
		metadata[key] = value
	}
	weights := namedWeights(in)
	var tensors []safetensors.Tensor
	for _, name := range weights.Names() {
		tensors = append(tensors, safetensors.Of(name, weights[name]))
	}
	return safetensors.Write(w, tensors, metadata)
}

// writeWhole writes a large file beside path and renames it, so that no half of it is ever taken for the whole.
func writeWhole(path string, write func(io.Writer) error) error {
	partial := path + ".partial"
	if err := writeFile(partial, write); err != nil {
		os.Remove(partial)
		return err
	}
	return os.Rename(partial, path)
}
