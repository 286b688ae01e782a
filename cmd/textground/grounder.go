package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/examples"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/segment"
	"github.com/textground/textground/tcl"
)

// groundingFlags say whose masks are wanted and how they are made: the flags that segment and eval share.
type groundingFlags struct {
	run, weights string
	device       string
	threads      int
	noBackground bool
	zeroIgnored  bool // of eval alone
	threshold    float64
	pamr         bool
	clipMix      float64
}

func (f *groundingFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.run, "run", "", "take the newest sealed checkpoint of this run (default: the latest run)")
	flags.StringVar(&f.weights, "weights", "", "take this safetensors file, as textground export and import write it; CLIP is the file's, or the run's where it has none")
	flags.StringVar(&f.device, "device", "auto", "cuda[:N], cpu, ref or auto")
	flags.IntVar(&f.threads, "threads", 0, "threads (0: all cores)")
	flags.BoolVar(&f.noBackground, "no-background", false, "no class for the rest: every pixel belongs to a named class")
	flags.Float64Var(&f.threshold, "threshold", 0, "score of the background, 0 to 1 (default: the run's)")
	flags.BoolVar(&f.pamr, "pamr", false, "refine masks by the picture's edges (default: the run's choice)")
	flags.Float64Var(&f.clipMix, "clip-mix", 0, "share of CLIP's own patch scores in the masks, 0 to 1 (default: the run's)")
}

// words name the same weights on another command line.
func (f *groundingFlags) words() string {
	words := ""
	if f.run != "" {
		words += " --run " + f.run
	}
	if f.weights != "" {
		words += " --weights " + f.weights
	}
	return words
}

// grounder is a segmenter with what it stands on.
type grounder struct {
	file      *proto.RunFile
	config    tcl.Config
	dev       kernels.Device
	model     *tcl.Model
	segmenter *segment.Segmenter
	origin    string // where the weights are from
}

func (g *grounder) close() {
	g.model.Close()
	g.dev.Close()
}

// open loads the weights that the flags name and puts them on the device.
func (f *groundingFlags) open(c *cobra.Command) (*grounder, error) {
	return f.openWith(c, f.trained)
}

// trained finds the weights that the flags name.
func (f *groundingFlags) trained(ctx context.Context, record *RunRecord, a *assembly) (tcl.Weights, string, error) {
	if f.weights != "" {
		ground, err := readGrounder(f.weights, a.config)
		return ground, f.weights, err
	}
	return sealedGrounder(ctx, record, a.config)
}

// weightSource finds the trainable weights and says where they are from. The record is nil where no run was needed.
type weightSource func(context.Context, *RunRecord, *assembly) (tcl.Weights, string, error)

func (f *groundingFlags) openWith(c *cobra.Command, source weightSource) (*grounder, error) {
	if f.noBackground && c.Flags().Changed("threshold") {
		return nil, badInput("--threshold is the score of the background, which --no-background leaves out; give one of them")
	}
	record, file, err := f.runFile()
	if err != nil {
		return nil, err
	}
	a, err := assembleModel(file)
	if err != nil {
		return nil, err
	}
	ground, origin, err := source(c.Context(), record, a)
	if err != nil {
		return nil, err
	}
	return newGrounder(a, ground, origin, f.device, f.threads, f.protocol(c, file, a.config))
}

// newGrounder puts the weights on a device.
func newGrounder(a *assembly, ground tcl.Weights, origin, device string, threads int, p segment.Protocol) (*grounder, error) {
	dev, err := devices.Open(device, threads)
	if err != nil {
		return nil, badInput(err.Error())
	}
	model, err := tcl.NewModel(dev, a.config, a.method(), a.clip, ground, tcl.ModelOptions{})
	if err != nil {
		dev.Close()
		return nil, err
	}
	g := &grounder{file: a.file, config: a.config, dev: dev, model: model, origin: origin}
	if g.segmenter, err = segment.New(model, dev, a.tokenizer, p); err != nil {
		g.close()
		return nil, badInput(err.Error())
	}
	return g, nil
}

// runFile finds the run whose CLIP and settings count. Weights that bring their CLIP need no run; others get the built-in CLIP
// on a machine without runs.
func (f *groundingFlags) runFile() (*RunRecord, *proto.RunFile, error) {
	own, err := f.ownCLIP()
	if err != nil {
		return nil, nil, err
	}
	if own != nil && f.run == "" {
		file, err := settingsFor(*own)
		return nil, file, err
	}
	if f.run == "" && f.weights != "" && len(allRuns()) == 0 {
		file, err := proto.ParseRunFile("examples/world.yaml", examples.World)
		return nil, file, err
	}
	record, err := chooseRun(f.run)
	if err != nil {
		return nil, nil, err
	}
	if own != nil {
		record.File.Model = *own
	}
	return record, &record.File, nil
}

// ownCLIP names the CLIP in the file of --weights, and its vocabulary; nil where there is none.
func (f *groundingFlags) ownCLIP() (*proto.Model, error) {
	if f.weights == "" {
		return nil, nil
	}
	parsed, err := readTensors(f.weights)
	if err != nil || !tcl.HoldsCLIP(parsed) {
		return nil, err
	}
	config, err := tcl.CLIPConfig(f.weights, parsed)
	if err != nil {
		return nil, badInput("--weights: " + err.Error())
	}
	vocabulary, err := vocabularyOf(f.weights, config.Text)
	return &proto.Model{CLIP: f.weights, Vocabulary: vocabulary}, err
}

// settingsFor are those of the release, or of the example that belongs to the demo's vocabulary.
func settingsFor(m proto.Model) (*proto.RunFile, error) {
	file := proto.Defaults()
	if m.Vocabulary == "builtin:world" {
		world, err := proto.ParseRunFile("examples/world.yaml", examples.World)
		if err != nil {
			return nil, err
		}
		file = *world
	}
	file.Model = m
	return &file, nil
}

// protocol is the run's, changed by the flags that were given.
func (f *groundingFlags) protocol(c *cobra.Command, file *proto.RunFile, config tcl.Config) segment.Protocol {
	p := runProtocol(file, config)
	given := c.Flags().Changed
	if given("threshold") {
		p.Threshold = f.threshold
	}
	if given("pamr") {
		p.PAMR = f.pamr
	}
	if given("clip-mix") {
		p.CLIPMix = f.clipMix
	}
	p.Background, p.ZeroIgnored = !f.noBackground, f.zeroIgnored
	return p
}

// runProtocol is how a run's masks are made where nothing else is asked for.
func runProtocol(file *proto.RunFile, config tcl.Config) segment.Protocol {
	p := segment.PaperProtocol()
	side := config.Vision.Image
	p.ShortSide, p.Window, p.Stride = 2*side, 2*side, side
	if file.Model.CLIP == "builtin:world" || file.Data.World != nil {
		p = segment.WorldProtocol(side, 0)
	}
	p.Threshold, p.PAMR, p.CLIPMix = file.Evaluation.Threshold, file.Evaluation.PAMR, file.Evaluation.CLIPMix
	return p
}

// readGrounder reads trainable weights from a file.
func readGrounder(path string, config tcl.Config) (tcl.Weights, error) {
	parsed, err := readTensors(path)
	if err != nil {
		return nil, err
	}
	ground, err := tcl.LoadGrounder(path, parsed, config)
	if err != nil {
		return nil, badInput("--weights: " + err.Error())
	}
	return ground, nil
}

// readTensors reads the file of --weights.
func readTensors(path string) (*safetensors.File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, badInput(fmt.Sprintf("--weights: %v; write such a file with: textground export RUN --to FILE.safetensors", err))
	}
	parsed, err := safetensors.Read(data)
	if err != nil {
		return nil, badInput(fmt.Sprintf("--weights %s: %v; it is no whole safetensors file, copy it again (of others' weights make one with: textground import)", path, err))
	}
	return parsed, nil
}

// sealedGrounder takes the newest sound checkpoint of a run.
func sealedGrounder(ctx context.Context, record *RunRecord, config tcl.Config) (tcl.Weights, string, error) {
	run, err := openSealed(ctx, record.Run)
	if err != nil {
		return nil, "", err
	}
	found, err := checkpoint.Latest(ctx, run.store, run.lineage)
	if err != nil {
		return nil, "", err
	}
	if found.State == nil {
		return nil, "", badInput(fmt.Sprintf("run %s has no checkpoint in %s yet; go on with it: textground resume %s", record.Run, run.store, record.Run))
	}
	ground := tcl.Unflatten(found.State.Flat(checkpoint.Param), tcl.Trainables(config))
	return ground, fmt.Sprintf("run %s after %d steps, parameters %.12s", record.Run, found.State.Step, found.Manifest.ParamsSHA256), nil
}
