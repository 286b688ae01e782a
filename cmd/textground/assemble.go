package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/dataset"
	"github.com/textground/textground/examples"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/store"
	"github.com/textground/textground/tcl"
)

// assembly is everything that a run file names, opened: what coordinator, worker, plan and prove have in common.
type assembly struct {
	file      *proto.RunFile
	store     store.Store
	config    tcl.Config
	clip      tcl.Weights
	frozen    string // digest of the CLIP file and the vocabulary
	tokenizer *dataset.Tokenizer
	index     *dataset.Index
	plan      *dataset.Plan
}

// assemble opens the store, the frozen weights, the vocabulary and the index of the run's shards.
func assemble(ctx context.Context, file *proto.RunFile) (*assembly, error) {
	a, err := assembleModel(file)
	if err != nil {
		return nil, err
	}
	if a.store, err = openStore(ctx, file.Store); err != nil {
		return nil, err
	}
	if a.index, err = dataset.OpenIndex(ctx, a.store, file.Data.Shards); err != nil {
		return nil, err
	}
	if a.plan, err = dataset.NewPlan(a.index, file.Seed, file.Lanes(), file.MicroBatch, file.Data.Window); err != nil {
		return nil, err
	}
	return a, nil
}

// openStore opens a store that says on stderr when it tries again. A place that cannot be opened is bad input.
func openStore(ctx context.Context, url string) (store.Store, error) {
	log := newLog("store", os.Stderr)
	st, err := store.Open(ctx, url, store.OnRetry(func(r store.Retry) {
		log.Warn("trying again", "operation", r.Operation, "key", r.Key, "in", r.Wait, "error", r.Err)
	}))
	if err != nil && ctx.Err() == nil {
		return nil, badInput(err.Error())
	}
	return st, err
}

// absoluteStore makes the place of a directory store independent of where the next command is typed.
func absoluteStore(url string) (string, error) {
	dir, isFile := strings.CutPrefix(url, "file://")
	if !isFile && strings.Contains(url, "://") {
		return url, nil
	}
	path, err := filepath.Abs(dir)
	return "file://" + path, err
}

// assembleModel opens what does not lie in the store.
func assembleModel(file *proto.RunFile) (*assembly, error) {
	a := &assembly{file: file}
	weights, err := readNamed(file.Model.CLIP, "builtin:world", examples.WorldCLIP)
	if err != nil {
		return nil, fmt.Errorf("model.clip: %w", err)
	}
	parsed, err := safetensors.Read(weights)
	if err != nil {
		return nil, badInput(fmt.Sprintf("model.clip: %s: %v; it is no whole safetensors file, copy it again or name builtin:world (of others' weights make one with: textground import)", file.Model.CLIP, err))
	}
	if a.config, a.clip, err = tcl.LoadCLIP(file.Model.CLIP, parsed); err != nil {
		return nil, badInput("model.clip: " + err.Error())
	}
	if a.config, err = activated(a.config, file.Model, parsed.Metadata); err != nil {
		return nil, err
	}
	vocabulary, err := openVocabulary(file.Model.Vocabulary)
	if err != nil {
		return nil, err
	}
	if vocabulary.Size() != a.config.Text.Vocab {
		return nil, badInput(fmt.Sprintf("model.vocabulary %s has %d ids, but model.clip %s embeds %d; they belong together", file.Model.Vocabulary, vocabulary.Size(), file.Model.CLIP, a.config.Text.Vocab))
	}
	a.tokenizer = dataset.NewTokenizer(vocabulary, a.config.Text.Context)
	a.frozen = digestOf(weights, []byte(vocabulary.Digest()))
	return a, nil
}

func openVocabulary(name string) (*dataset.Vocabulary, error) {
	if name == "builtin:clip" {
		return dataset.CLIPVocabulary(), nil
	}
	data, err := readNamed(name, "builtin:world", examples.WorldVocabulary)
	if err != nil {
		return nil, fmt.Errorf("model.vocabulary: %w", err)
	}
	v, err := dataset.OpenVocabulary(data)
	if err != nil {
		return nil, badInput(fmt.Sprintf("model.vocabulary %s: %v", name, err))
	}
	return v, nil
}

// readNamed returns the built-in data where name asks for it, else the file of that name.
func readNamed(name, builtin string, data []byte) ([]byte, error) {
	if name == builtin {
		return data, nil
	}
	read, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, badInput(fmt.Sprintf("%s does not exist; name a file or %s", name, builtin))
	}
	return read, err
}

func digestOf(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (a *assembly) method() tcl.Method {
	l := a.file.Loss
	return tcl.Method{Loss: tcl.Loss{TCL: l.TCL, Area: l.Area, TV: l.TV, Prior: l.Prior, PriorNeg: l.PriorNegative}, Tau: a.file.Masks.Tau}
}

func (a *assembly) optimiser() tcl.Optimiser {
	o := a.file.Optimiser
	return tcl.Optimiser{Beta1: o.Betas[0], Beta2: o.Betas[1], Epsilon: o.Epsilon, WeightDecay: o.WeightDecay, Clip: o.Clip, Gates: o.Gates, Sim: o.Sim, Block: o.Block}
}

func (a *assembly) schedule() tcl.Schedule {
	o := a.file.Optimiser
	return tcl.Schedule{LR: o.Rate, MinLR: o.MinRate, WarmupSteps: o.WarmupSteps, WarmupStart: o.WarmupStart, TotalSteps: a.file.Steps - 1, Phase2From: a.file.Phase2From}
}

// initialGrounder is the trainable weights before step 0.
func (a *assembly) initialGrounder() tcl.Weights {
	return tcl.InitialGrounder(a.config, a.clip, tcl.GrounderInit{Scale: a.file.Masks.Scale, Bias: a.file.Masks.Bias, Seed: a.file.Seed})
}

// initialState is the state before step 0: initial weights, moments of zero.
func (a *assembly) initialState() tcl.State {
	flat := a.initialGrounder().Flat(tcl.Trainables(a.config))
	return tcl.State{Params: flat, M1: make([]float32, len(flat)), M2: make([]float32, len(flat))}
}

// trainingModel puts the run's model on a device.
func (a *assembly) trainingModel(dev kernels.Device) (*tcl.Model, error) {
	initial := a.initialGrounder()
	keepBytes, err := a.planMemory(dev, initial)
	if err != nil {
		return nil, err
	}
	return a.modelOn(dev, initial, a.file.MicroBatch, keepBytes)
}

func (a *assembly) modelOn(dev kernels.Device, initial tcl.Weights, microBatch int, keepBytes int64) (*tcl.Model, error) {
	return tcl.NewModel(dev, a.config, a.method(), a.clip, initial, tcl.ModelOptions{
		MicroBatch: microBatch, GlobalBatch: a.file.Batch, KeepBytes: keepBytes, Optimiser: a.optimiser()})
}
