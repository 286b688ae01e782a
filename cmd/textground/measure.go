package main

import (
	"bytes"
	"context"
	"fmt"
	"image/png"

	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/segment"
	"github.com/textground/textground/tcl"
)

// measurer grounds the run's held-out scenes with any parameters of the run: those before training, and those after so
// many steps.
type measurer struct {
	*grounder
	classes *segment.Classes
	before  []float32
}

// newMeasurer opens the run's model on a device with so many threads.
func newMeasurer(record *RunRecord, threads int) (*measurer, error) {
	a, err := assembleModel(&record.File)
	if err != nil {
		return nil, err
	}
	before := a.initialGrounder()
	g, err := newGrounder(a, before, "the untrained grounder", firstOf(record.File.Device, "auto"), threads, runProtocol(&record.File, a.config))
	if err != nil {
		return nil, err
	}
	m := &measurer{grounder: g, before: before.Flat(tcl.Trainables(a.config))}
	if m.classes, err = g.segmenter.Classes(segment.WorldClasses()); err != nil {
		g.close()
		return nil, err
	}
	return m, nil
}

// evaluate measures the mIoU of parameters over the first held-out scenes. progress, which may be nil, hears how many are done.
func (m *measurer) evaluate(ctx context.Context, params []float32, scenes int, progress func(done int)) (float64, error) {
	if err := m.model.SetParameters(params); err != nil {
		return 0, err
	}
	result, err := m.segmenter.Evaluate(ctx, segment.World(m.file.Evaluation.Seed, scenes), m.classes, progress)
	if err != nil {
		return 0, err
	}
	if result.MIoU == nil {
		return 0, fmt.Errorf("no class occurs in the %d held-out scenes", scenes)
	}
	return *result.MIoU, nil
}

// sheetNouns is the least number of nouns in a scene that is worth a picture.
const sheetNouns = 2

// sheet draws so many of the first scenes with true masks and masks before and after, as a PNG.
func (m *measurer) sheet(scenes, rows int, after []float32, title, headBefore, headAfter string) ([]byte, error) {
	var shown []segment.SheetRow
	for sample, err := range segment.World(m.file.Evaluation.Seed, scenes) {
		if err != nil {
			return nil, err
		}
		if nounsIn(sample.Truth) < sheetNouns {
			continue
		}
		row := segment.SheetRow{Image: sample.Image, Caption: sample.Caption, Truth: sample.Truth}
		if row.Before, err = m.labels(m.before, sample); err != nil {
			return nil, err
		}
		if row.After, err = m.labels(after, sample); err != nil {
			return nil, err
		}
		if shown = append(shown, row); len(shown) == rows {
			break
		}
	}
	text := segment.SheetText{Title: title, Before: headBefore, After: headAfter, Names: append([]string{segment.BackgroundName}, world.Nouns...), Background: true}
	var picture bytes.Buffer
	err := png.Encode(&picture, segment.Sheet(shown, text))
	return picture.Bytes(), err
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
	for _, v := range truth.Pix() {
		if v != 0 && v != segment.Ignored {
			seen[v] = true
		}
	}
	return len(seen)
}
