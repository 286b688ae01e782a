package main

import (
	"context"
	"fmt"
	"image/png"
	"io"
	"path/filepath"

	"github.com/textground/textground/dataset/world"
	"github.com/textground/textground/segment"
	"github.com/textground/textground/tcl"
)

// measurer grounds the run's held-out scenes with the parameters before and after training.
type measurer struct {
	*grounder
	classes       *segment.Classes
	before, after []float32
}

func newMeasurer(ctx context.Context, record *RunRecord) (*measurer, error) {
	a, err := assembleModel(&record.File)
	if err != nil {
		return nil, err
	}
	sealed, origin, err := sealedGrounder(ctx, record, a)
	if err != nil {
		return nil, err
	}
	g, err := newGrounder(a, sealed, origin, firstOf(record.File.Device, "auto"), 0, runProtocol(&record.File, a.config))
	if err != nil {
		return nil, err
	}
	m := &measurer{grounder: g, before: a.initialState().Params, after: sealed.Flat(tcl.Trainables(a.config))}
	m.classes, err = g.segmenter.Classes(segment.WorldClasses())
	return m, err
}

// evaluate measures mIoU over the run's held-out scenes.
func (m *measurer) evaluate(ctx context.Context, params []float32, talk io.Writer) (*segment.Result, error) {
	if err := m.model.SetParameters(params); err != nil {
		return nil, err
	}
	e := m.file.Evaluation
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
func (m *measurer) pictures(dir string, report *demoReport) error {
	var rows []segment.SheetRow
	for sample, err := range segment.World(m.file.Evaluation.Seed, m.file.Evaluation.Scenes) {
		if err != nil {
			return err
		}
		if nounsIn(sample.Truth) < sheetNouns {
			continue
		}
		row := segment.SheetRow{Image: sample.Image, Caption: sample.Caption, Truth: sample.Truth}
		if row.Before, err = m.labels(m.before, sample); err != nil {
			return err
		}
		if row.After, err = m.labels(m.after, sample); err != nil {
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
	scene := world.Draw(m.file.Evaluation.Seed, world.EvalFirst)
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
