package main

import (
	"errors"
	"fmt"
	"image/png"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/textground/textground/segment"
	"github.com/textground/textground/segment/benchmark"
)

// benchmarkReport is what a benchmark comes to, for --json and result.json too.
type benchmarkReport struct {
	Card     *benchmark.Card   `json:"card"`
	Result   *segment.Result   `json:"result"`
	Images   []benchmark.Score `json:"images"`
	Baseline *benchmarkReport  `json:"baseline,omitempty"`
	Repeats  string            `json:"repeats,omitempty"` // how the number compares with the card's, with --like

	same bool   // as the card, as far as its device class promises it
	out  string // directory of its files
}

func (t *trial) report(parts []*benchmark.Part) *benchmarkReport {
	r := t.reportOf(0, parts)
	if len(parts) > 1 {
		r.Baseline = t.reportOf(1, parts)
	}
	if r.same = true; t.like != nil {
		r.Repeats, r.same = repeats(t.like, r.Card)
	}
	return r
}

func (t *trial) reportOf(k int, parts []*benchmark.Part) *benchmarkReport {
	card := t.subjects[k].card
	return &benchmarkReport{Card: card, Result: t.set.Result(parts[k], card.Protocol), Images: parts[k].Images}
}

// repeats compares a number with that of the card it repeats. Only within one device class must they be equal.
func repeats(card, here *benchmark.Card) (words string, same bool) {
	switch {
	case card.ConfusionSHA256 == here.ConfusionSHA256:
		return "the same as the card's, pixel for pixel", true
	case card.DeviceClass != here.DeviceClass:
		return fmt.Sprintf("the card's is %s %%; it was found on another device class, %s", percent(card.MIoU), card.DeviceClass), true
	}
	return fmt.Sprintf("the card's is %s %%, on the same device class", percent(card.MIoU)), false
}

// suffix keeps what repeats a card away from what it repeats.
func (t *trial) suffix() string {
	if t.like != nil {
		return "-again"
	}
	return ""
}

// write puts card and result into the report's directory, those of the baseline below it, and the worst images onto a
// picture.
func (t *trial) write(r *benchmarkReport, worst []benchmark.Score) error {
	if err := r.write(r.out); err != nil {
		return err
	}
	if r.Baseline != nil {
		if err := r.Baseline.write(filepath.Join(r.out, maskclip)); err != nil {
			return err
		}
	}
	if len(worst) == 0 {
		return nil
	}
	return t.writeWorst(filepath.Join(r.out, "worst.png"), worst)
}

func (r *benchmarkReport) write(dir string) error {
	card := func(w io.Writer) error { return plainJSON(w).Encode(r.Card) }
	result := func(w io.Writer) error { return plainJSON(w).Encode(r) }
	return errors.Join(writeWhole(filepath.Join(dir, "card.json"), card), writeWhole(filepath.Join(dir, "result.json"), result))
}

// worstSide is how large the pictures of the worst images are.
const worstSide = 288

// writeWorst draws images of the first subject's lowest scores, with the baseline's masks where there is one.
func (t *trial) writeWorst(path string, worst []benchmark.Score) error {
	first := t.subjects[0].card
	text := segment.SheetText{Title: fmt.Sprintf("%s: the images of the lowest mIoU; in the corner the share of right pixels", t.set.Title),
		After: firstOf(first.Baseline, "these weights"), Names: first.Classes, Background: t.set.Background, Side: worstSide}
	if len(t.subjects) > 1 {
		text.Before = maskclip
	}
	rows := make([]segment.SheetRow, len(worst))
	for i, score := range worst {
		sample, err := t.set.Read(score.Name)
		if err != nil {
			return err
		}
		rows[i] = segment.SheetRow{Image: sample.Image, Truth: first.Protocol.Counted(sample.Truth), Caption: fmt.Sprintf("%s: mIoU %s %%", score.Name, percent(score.MIoU))}
	}
	for k, s := range t.subjects {
		if err := t.grounder.model.SetParameters(s.params); err != nil {
			return err
		}
		for i := range rows {
			scores, err := t.grounder.segmenter.Scores(t.classes, rows[i].Image)
			if err != nil {
				return err
			}
			if k == 0 {
				rows[i].After = scores[0].Labels()
			} else {
				rows[i].Before = scores[0].Labels()
			}
		}
	}
	return writeFile(path, func(w io.Writer) error { return png.Encode(w, segment.Sheet(rows, text)) })
}

func (r *benchmarkReport) tell(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if r.Baseline == nil {
		fmt.Fprintln(table, "CLASS\tIoU %\tPIXELS\t")
	} else {
		fmt.Fprintln(table, "CLASS\tIoU %\tMASKCLIP %\tPIXELS\t")
	}
	for k, class := range r.Result.Classes {
		fmt.Fprintf(table, "%s\t%s\t", class.Name, percent(class.IoU))
		if r.Baseline != nil {
			fmt.Fprintf(table, "%s\t", percent(r.Baseline.Result.Classes[k].IoU))
		}
		fmt.Fprintf(table, "%d\t\n", class.Pixels)
	}
	err := table.Flush()
	for beside := r; beside != nil; beside = beside.Baseline {
		_, tellErr := fmt.Fprintf(out, "mIoU %s %%, pixels right %s %%, %d images of %s\n  weights: %s, SHA-256 %.12s\n", percent(beside.Result.MIoU),
			percent(beside.Result.Accuracy), beside.Card.Images, beside.Card.Benchmark, beside.Card.Weights, beside.Card.WeightsSHA256)
		err = errors.Join(err, tellErr)
	}
	_, tellErr := fmt.Fprintf(out, "protocol: %s\n", r.Card.Protocol)
	if r.Repeats != "" {
		_, _ = fmt.Fprintf(out, "repeated: %s\n", r.Repeats) // what fails here failed above
	}
	return errors.Join(err, tellErr)
}
