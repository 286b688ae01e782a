package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/checkpoint/torch"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/tcl"
)

type exportFlags struct {
	to, npy, step string
}

func newExport() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use: "export RUN|FILE", Short: "Weights for others: a run's newest checkpoint, or a file, as .pth, .safetensors or .npy", Args: exactArg("a run id, or a file of weights"),
		Long: `Write a whole model under the names of TCL's reference, the frozen CLIP included: its load_state_dict takes them with
strict=True. A .pth is a dictionary with the key "model", as the reference's checkpoints are, and torch.load reads it with
weights_only=True; a safetensors file holds the same tensors and works as --weights of segment and eval. A FILE that holds a CLIP
alone is written under OpenAI's names, a .pth of it without "model". --npy writes the trained parameters of a run alone, an array
each.`,
		Example: `  textground export world-a1b2c --to grounder.pth
  textground export world-a1b2c --step 120 --to grounder.safetensors
  textground export clip.safetensors --to clip.pth
  textground export world-a1b2c --npy grounder/     one NAME.npy a parameter`,
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	c.Flags().StringVar(&f.to, "to", "", "file to write: .pth or .safetensors")
	c.Flags().StringVar(&f.npy, "npy", "", "write NumPy arrays into this directory instead")
	c.Flags().StringVar(&f.step, "step", "", "the checkpoint after so many steps (default: the newest)")
	return c
}

func (f *exportFlags) run(c *cobra.Command, src string) error {
	ending := filepath.Ext(f.to)
	switch {
	case (f.to == "") == (f.npy == ""):
		return badInput("--to names a file and --npy a directory of arrays; give one of them")
	case f.to != "" && ending != ".pth" && ending != ".safetensors":
		return badInput(fmt.Sprintf("--to %s: the name must end in .pth or .safetensors", f.to))
	case isFile(src) && (f.npy != "" || f.step != ""):
		return badInput(fmt.Sprintf("%s is a file; --npy and --step are for runs", src))
	case isFile(src):
		_, in, err := readForeign(c.Context(), src, "")
		if err != nil {
			return err
		}
		return f.write(c, in, src, nil)
	}
	return f.exportRun(c, src)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func (f *exportFlags) exportRun(c *cobra.Command, id string) error {
	run, m, state, err := f.checkpoint(c.Context(), id)
	if err != nil {
		return err
	}
	origin := fmt.Sprintf("step %d of run %s", m.Step, run.record.Run)
	if f.npy != "" {
		if err := exportArrays(f.npy, state); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "%s: %d arrays in %s\n", origin, len(state.Names), f.npy)
		return nil
	}
	a, err := assembleModel(&run.record.File)
	if err != nil {
		return err
	}
	if a.frozen != m.Identity.Frozen {
		return badInput(fmt.Sprintf("%s was trained on other frozen weights (%.12s) than %s and its vocabulary are now (%.12s); put those back", origin, m.Identity.Frozen, run.record.File.Model.CLIP, a.frozen))
	}
	ground := tcl.Unflatten(state.Flat(checkpoint.Param), tcl.Trainables(a.config))
	return f.write(c, &tcl.Imported{Config: a.config, CLIP: a.clip, Grounder: ground}, origin, map[string]string{
		"textground.run": run.record.Run, "textground.step": strconv.Itoa(m.Step), "textground.params_sha256": m.ParamsSHA256, "textground.frozen": m.Identity.Frozen})
}

// checkpoint loads the one that the flags name.
func (f *exportFlags) checkpoint(ctx context.Context, id string) (*sealedRun, *checkpoint.Manifest, *checkpoint.State, error) {
	run, err := openSealed(ctx, id)
	if err != nil {
		return nil, nil, nil, err
	}
	m, err := run.manifest(ctx, f.step)
	if err != nil {
		return nil, nil, nil, err
	}
	state, err := checkpoint.Load(ctx, run.store, m)
	return run, m, state, err
}

// write writes a model in the format of --to.
func (f *exportFlags) write(c *cobra.Command, in *tcl.Imported, origin string, metadata map[string]string) error {
	write := func(w io.Writer) error { return writeSafetensors(w, in, metadata) }
	if filepath.Ext(f.to) == ".pth" {
		write = func(w io.Writer) error { return writeTorch(w, in) }
	}
	if err := writeWhole(f.to, write); err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: %d tensors in %s\n", origin, len(namedWeights(in)), f.to)
	if activations := in.Config.Activations(); filepath.Ext(f.to) == ".pth" && in.Config != in.Config.WithActivation(tcl.QuickGELU) {
		fmt.Fprintf(c.ErrOrStderr(), "the activation is %s, which a .pth cannot say: whoever reads %s must know it (textground import --activation)\n", activations, f.to)
	}
	return nil
}

// writeTorch writes a model as PyTorch does, behind "model" where it is a whole TCL.
func writeTorch(w io.Writer, in *tcl.Imported) error {
	under := ""
	if in.Grounder != nil {
		under = "model"
	}
	weights := namedWeights(in)
	var tensors []torch.Named
	for _, name := range weights.Names() {
		tensors = append(tensors, torch.Named{Name: name, Shape: dense.Shape(weights[name]), Values: weights.Values(name)})
	}
	return torch.Write(w, under, tensors)
}

// exportArrays writes each parameter as NAME.npy.
func exportArrays(dir string, s *checkpoint.State) error {
	for i, name := range s.Names {
		if !filepath.IsLocal(name) || filepath.Base(name) != name { // names come from the store
			return fmt.Errorf("parameter %q has a name that is no file name; export it as safetensors", name)
		}
		if err := writeFile(filepath.Join(dir, name+".npy"), func(w io.Writer) error { return dense.WriteNPY(w, s.Params[i]) }); err != nil {
			return err
		}
	}
	return nil
}
