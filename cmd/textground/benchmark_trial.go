package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/segment"
	"github.com/textground/textground/segment/benchmark"
	"github.com/textground/textground/tcl"
)

// trial is a benchmark ready to run: images, a model on its device, and the cards that belong to the numbers.
type trial struct {
	set      *benchmark.Set
	grounder *grounder
	classes  *segment.Classes
	run      string // whose weights or CLIP are used; empty where no run was needed
	like     *benchmark.Card
	subjects []subject
}

// subject is one of the weights that are measured.
type subject struct {
	card   *benchmark.Card // complete when it has been measured
	params []float32
}

const maskclip = "maskclip"

// prepare opens everything. What a card asks for and cannot be had is bad input.
func (b *benchmarking) prepare(c *cobra.Command, e *evaluating) (*trial, error) {
	bench, like, err := b.wanted()
	if err != nil {
		return nil, err
	}
	t := &trial{like: like}
	if t.set, err = bench.Open(b.data); err != nil {
		return nil, err
	}
	switch {
	case like != nil:
		t.set = t.set.First(like.Images)
	case b.limit > 0:
		t.set = t.set.First(b.limit)
	}
	if err := b.openModel(c, e, t); err != nil {
		return nil, err
	}
	if err := t.fillCards(c.Context(), b.share != ""); err != nil {
		t.grounder.close()
		return nil, err
	}
	return t, nil
}

// openModel finds the weights that are measured and puts the model on the device.
func (b *benchmarking) openModel(c *cobra.Command, e *evaluating, t *trial) error {
	record, file, err := e.grounding.runFile()
	if err != nil {
		return err
	}
	if record != nil {
		t.run = record.Run
	}
	a, err := assembleModel(file)
	if err != nil {
		return err
	}
	protocol, err := b.protocol(c, &e.grounding, t.set.Benchmark, t.like, a.config.Vision.Image)
	if err != nil {
		return err
	}
	if err := e.findSubjects(c.Context(), t, record, a, protocol); err != nil {
		return err
	}
	device, threads := b.ownDevice(&e.grounding)
	t.grounder, err = newGrounder(a, a.initialGrounder(), t.subjects[0].card.Weights, device, threads, protocol)
	return err
}

// findSubjects lists the weights that the flags name, and those of the baseline where it is asked for, by a flag or by the
// card that is repeated.
func (e *evaluating) findSubjects(ctx context.Context, t *trial, record *RunRecord, a *assembly, p segment.Protocol) error {
	frozen, err := frozenDigest(a)
	if err != nil {
		return err
	}
	add := func(baseline, origin string, ground tcl.Weights) {
		card := &benchmark.Card{Benchmark: t.set.Name, Images: len(t.set.Names), Classes: t.set.Classes(), Protocol: p,
			Model: modelName(a.config), Weights: origin, WeightsSHA256: weightsDigest(frozen, ground), Baseline: baseline}
		t.subjects = append(t.subjects, subject{card, ground.Flat(tcl.Trainables(a.config))})
	}
	alone, err := e.grounding.clipAlone(a.config)
	if err != nil {
		return err
	}
	onlyBaseline := t.like != nil && t.like.Baseline == maskclip || alone && e.baseline == maskclip
	if !onlyBaseline {
		ground, origin, err := e.grounding.trained(ctx, record, a)
		if err != nil {
			return err
		}
		add("", origin, ground)
	}
	if onlyBaseline || e.baseline == maskclip {
		add(maskclip, "maskclip: the untrained grounder", a.initialGrounder())
	}
	return nil
}

// clipAlone tells whether the file of --weights is a CLIP without a grounder, of which the baseline alone can be measured.
func (f *groundingFlags) clipAlone(config tcl.Config) (bool, error) {
	if f.weights == "" {
		return false, nil
	}
	parsed, err := readTensors(f.weights)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(parsed.Tensors, func(t safetensors.Tensor) bool {
		return slices.ContainsFunc(tcl.Trainables(config), func(p tcl.Parameter) bool { return strings.HasSuffix(t.Name, p.Name) })
	}), nil
}

// fillCards notes what data and device the numbers belong to, and refuses what is not the card's. A share takes the word of
// the process that started it for the data.
func (t *trial) fillCards(ctx context.Context, share bool) error {
	class, err := deviceClass(t.grounder.dev.Name())
	if err != nil {
		return err
	}
	var data string
	if share {
		data = t.like.DataSHA256
	} else if data, err = t.set.Digest(ctx); err != nil {
		return err
	}
	for _, s := range t.subjects {
		s.card.DataSHA256, s.card.DeviceClass = data, class
	}
	if t.like != nil {
		if differs := t.like.Differs(t.subjects[0].card); differs != "" {
			return badInput(fmt.Sprintf("--like: %s; take what the card is of, or measure anew with --benchmark %s", differs, t.set.Name))
		}
	}
	if share && t.like.DeviceClass != class {
		return badInput(fmt.Sprintf("the processes are of two device classes, %s and %s, whose bits differ; name one kind of device with --device", t.like.DeviceClass, class))
	}
	var names [][]string
	for _, name := range t.set.Things() {
		names = append(names, []string{name})
	}
	t.classes, err = t.grounder.segmenter.Classes(names)
	return err
}

// measure segments some images of the set with all subjects, one after the other. progress hears of images times subjects.
func (t *trial) measure(ctx context.Context, share *benchmark.Set, progress func(done int)) ([]*benchmark.Part, error) {
	var parts []*benchmark.Part
	for i, s := range t.subjects {
		if err := t.grounder.model.SetParameters(s.params); err != nil {
			return nil, err
		}
		part, err := share.Evaluate(ctx, t.grounder.segmenter, t.classes, func(done int) { progress(i*len(share.Names) + done) })
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// frozenDigest says what CLIP and vocabulary are, however they are stored.
func frozenDigest(a *assembly) ([]byte, error) {
	vocabulary, err := openVocabulary(a.file.Model.Vocabulary)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(a.config); err != nil {
		return nil, err
	}
	fmt.Fprintln(h, vocabulary.Digest())
	addWeights(h, a.clip)
	return h.Sum(nil), nil
}

// weightsDigest says what all weights are that a number comes from, as hex digits.
func weightsDigest(frozen []byte, ground tcl.Weights) string {
	h := sha256.New()
	h.Write(frozen)
	addWeights(h, ground)
	return hex.EncodeToString(h.Sum(nil))
}

// addWeights hashes names, shapes and values, in the order of the names.
func addWeights(h hash.Hash, weights tcl.Weights) {
	var values bytes.Buffer
	for _, name := range weights.Names() {
		fmt.Fprintf(h, "%q %v\n", name, dense.Shape(weights[name]))
		values.Reset()
		_ = binary.Write(&values, binary.LittleEndian, weights.Values(name)) // to memory
		h.Write(values.Bytes())
	}
}
