package main

import (
	"context"
	"fmt"
	"image/png"
	"io"
	"path/filepath"
	"slices"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/kernels/devices"
	"github.com/textground/textground/proto"
	"github.com/textground/textground/segment"
	"github.com/textground/textground/store"
	"github.com/textground/textground/tcl"
)

// measurer grounds held-out scenes of the world with whatever parameters it is given.
type measurer struct {
	assembly  *assembly
	dev       kernels.Device
	model     *tcl.Model
	segmenter *segment.Segmenter
	classes   *segment.Classes
}

func newMeasurer(file *proto.RunFile) (*measurer, error) {
	a, err := assembleModel(file)
	if err != nil {
		return nil, err
	}
	dev, err := devices.Open(firstOf(file.Device, "auto"), 0)
	if err != nil {
		return nil, err
	}
	m := &measurer{assembly: a, dev: dev}
	if m.model, err = tcl.NewModel(dev, a.config, a.method(), a.clip, a.initialGrounder(), tcl.ModelOptions{}); err != nil {
		return nil, err
	}
	protocol := segment.WorldProtocol(world.Size, file.Evaluation.Threshold)
	protocol.PAMR, protocol.CLIPMix = file.Evaluation.PAMR, file.Evaluation.CLIPMix
	if m.segmenter, err = segment.New(m.model, dev, a.tokenizer, protocol); err != nil {
		return nil, err
	}
	m.classes, err = m.segmenter.Classes(segment.WorldClasses())
	return m, err
}

func (m *measurer) close() {
	m.model.Close()
	m.dev.Close()
}

// evaluate measures mIoU over the run's held-out scenes.
func (m *measurer) evaluate(ctx context.Context, params []float32, talk io.Writer) (*segment.Result, error) {
	if err := m.model.SetParameters(params); err != nil {
		return nil, err
	}
	e := m.assembly.file.Evaluation
	count := newCounter(talk, "scenes", e.Scenes)
	defer count.stop()
	result, err := m.segmenter.Evaluate(ctx, segment.World(e.Seed, e.Scenes), m.classes, count.set)
	if err == nil && result.MIoU == nil {
		err = fmt.Errorf("no class occurs in the %d held-out scenes", e.Scenes)
	}
	return result, err
}

// Scenes on the sheet, and the least number of nouns in one.
const (
	sheetRows  = 8
	sheetNouns = 2
)

// pictures writes a sheet of scenes with true masks and masks before and after, and one scene as a JPEG to play with.
func (m *measurer) pictures(dir string, before, after []float32, report *demoReport) error {
	var rows []segment.SheetRow
	for sample, err := range segment.World(m.assembly.file.Evaluation.Seed, m.assembly.file.Evaluation.Scenes) {
		if err != nil {
			return err
		}
		if nounsIn(sample.Truth) < sheetNouns {
			continue
		}
		row := segment.SheetRow{Image: sample.Image, Caption: sample.Caption, Truth: sample.Truth}
		if row.Before, err = m.labels(before, sample); err != nil {
			return err
		}
		if row.After, err = m.labels(after, sample); err != nil {
			return err
		}
		if rows = append(rows, row); len(rows) == sheetRows {
			break
		}
	}
	text := segment.SheetText{Title: "held-out scenes", Before: fmt.Sprintf("before: mIoU %.1f %%", 100*report.Before), After: fmt.Sprintf("after: mIoU %.1f %%", 100*report.After),
		Names: append([]string{segment.BackgroundName}, world.Nouns...), Background: true}
	if err := writeFile(filepath.Join(dir, "masks.png"), func(w io.Writer) error { return png.Encode(w, segment.Sheet(rows, text)) }); err != nil {
		return err
	}
	scene := world.Draw(m.assembly.file.Evaluation.Seed, world.EvalFirst)
	return writeFile(filepath.Join(filepath.Dir(dir), "scene.jpg"), func(w io.Writer) error {
		_, err := w.Write(scene.JPEG())
		return err
	})
}

func (m *measurer) labels(params []float32, sample segment.Sample) (*segment.LabelMap, error) {
	if err := m.model.SetParameters(params); err != nil {
		return nil, err
	}
	scores, err := m.segmenter.Scores(m.classes, sample.Image)
	if err != nil {
		return nil, err
	}
	return scores[0].Labels(), nil
}

// nounsIn counts the classes of a scene besides the background.
func nounsIn(truth *segment.LabelMap) int {
	seen := map[uint8]bool{}
	for _, v := range truth.Pix {
		if v != 0 && v != segment.Ignored {
			seen[v] = true
		}
	}
	return len(seen)
}

// sealedParameters reads the parameters of a run's newest sound checkpoint.
func sealedParameters(ctx context.Context, record *RunRecord) ([]float32, error) {
	st, err := store.Open(ctx, record.File.Store)
	if err != nil {
		return nil, err
	}
	found, err := checkpoint.Latest(ctx, st, checkpoint.Lineage{Run: record.Run, Number: record.Lineage})
	if err != nil {
		return nil, err
	}
	if found.State == nil {
		return nil, badInput(fmt.Sprintf("run %s has no checkpoint in %s yet", record.Run, st))
	}
	return slices.Concat(found.State.Params...), nil
}
