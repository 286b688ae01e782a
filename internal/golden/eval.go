package golden

import (
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/textground/textground/checkpoint/safetensors"
	"github.com/textground/textground/dataset"
	"github.com/textground/textground/internal/dense"
	"github.com/textground/textground/kernels"
	"github.com/textground/textground/segment"
	"github.com/textground/textground/tcl"
)

// meanBound is that of means of exact counts.
const meanBound = 1e-12

const absolute = "largest difference"

// evalMetadata is the part of an inference golden's configuration that decides numbers.
type evalMetadata struct {
	tcl.Config
	Eval struct {
		ShortSide int     `json:"short_side"`
		LongMax   int     `json:"long_max"`
		Window    int     `json:"window"`
		Stride    int     `json:"stride"`
		PAMR      bool    `json:"pamr"`
		CLIPMix   float64 `json:"kp_w"`
		Threshold float64 `json:"bg_thresh"`
		Rounded   bool    `json:"round_resized"`
	} `json:"eval"`
}

func readEvalMetadata(f *safetensors.File) (evalMetadata, error) {
	var m evalMetadata
	if err := readConfig(f, &m); err != nil {
		return m, err
	}
	if m.Eval.Rounded {
		return m, fmt.Errorf("metadata: config: round_resized is set, but images stay in floating point here")
	}
	return m, m.Check()
}

// protocol is that of the file, or its plain variant: no PAMR, no CLIP mix.
func (m evalMetadata) protocol(plain bool) segment.Protocol {
	p := segment.PaperProtocol()
	p.ShortSide, p.LongMax, p.Window, p.Stride = m.Eval.ShortSide, m.Eval.LongMax, m.Eval.Window, m.Eval.Stride
	p.Threshold, p.PAMR, p.CLIPMix = m.Eval.Threshold, m.Eval.PAMR, m.Eval.CLIPMix
	if plain {
		p.PAMR, p.CLIPMix = false, 0
	}
	return p
}

// inference is an inference golden under comparison.
type inference struct {
	report *Report
	file   *safetensors.File
	bounds bounds
	meta   evalMetadata
	dev    kernels.Device
	model  *tcl.Model
	image  *dataset.Image
}

// replayEval compares everything that an inference golden tells. name is the file's path: its weights lie beside it.
func replayEval(r *Report, name string, f *safetensors.File, dev kernels.Device) error {
	meta, err := readEvalMetadata(f)
	if err != nil {
		return err
	}
	image, err := evalImage(f)
	if err != nil {
		return err
	}
	model, err := evalModel(name, f, meta, dev)
	if err != nil {
		return err
	}
	defer model.Close()
	e := &inference{r, f, boundsOf(dev), meta, dev, model, image}
	classes, err := e.classes()
	if err != nil {
		return err
	}
	for _, part := range []func(*segment.Classes) error{e.stages, e.full, e.noBackground, e.plain} {
		if err := part(classes); err != nil {
			return err
		}
	}
	return e.counts()
}

// evalImage reads in.eval_image, uint8 [H, W, 3].
func evalImage(f *safetensors.File) (*dataset.Image, error) {
	t, err := f.Tensor("in.eval_image")
	if err != nil {
		return nil, err
	}
	if t.DType != safetensors.U8 || len(t.Shape) != 3 || t.Shape[2] != 3 || t.Elements() == 0 {
		return nil, fmt.Errorf("in.eval_image is %s %v, but U8 [H, W, 3] is understood", t.DType, t.Shape)
	}
	return &dataset.Image{Width: t.Shape[1], Height: t.Shape[0], Pix: t.Data}, nil
}

// evalModel has the weights of the training golden that the file names; it lies in the same directory.
func evalModel(name string, f *safetensors.File, meta evalMetadata, dev kernels.Device) (*tcl.Model, error) {
	path := filepath.Join(filepath.Dir(name), filepath.Base(f.Metadata["weights_file"]))
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("metadata: weights_file: %w", err)
	}
	training, err := safetensors.Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	m, err := readMetadata(training)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if m.Config != meta.Config {
		return nil, fmt.Errorf("%s is of other sizes (%+v) than this file (%+v)", path, m.Config, meta.Config)
	}
	clip, ground, err := weights(training, m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return tcl.NewModel(dev, m.Config, m.method(), clip, ground, tcl.ModelOptions{})
}

// classes embeds the file's tokens and then goes on with its own embeddings.
func (e *inference) classes() (*segment.Classes, error) {
	t, err := e.file.Tensor("in.class_tokens")
	if err != nil {
		return nil, err
	}
	if len(t.Shape) != 3 || t.Shape[2] != e.meta.Text.Context {
		return nil, fmt.Errorf("in.class_tokens has shape %v, but [C, templates, %d] is understood", t.Shape, e.meta.Text.Context)
	}
	ids, err := t.Int32s()
	if err != nil {
		return nil, err
	}
	tokens, names := make([][][]int32, t.Shape[0]), make([]string, t.Shape[0])
	for i := range tokens {
		names[i] = fmt.Sprintf("class %d", i)
		for k := range t.Shape[1] {
			tokens[i] = append(tokens[i], part(ids, i*t.Shape[1]+k, t.Shape[2]))
		}
	}
	s, err := e.segmenter(e.meta.protocol(false))
	if err != nil {
		return nil, err
	}
	classes, err := s.EmbedClasses(names, tokens)
	if err != nil {
		return nil, err
	}
	return classes, e.scores("classes", "eval.class_embedding", dense.Floats(classes.Embeddings))
}

func (e *inference) segmenter(p segment.Protocol) (*segment.Segmenter, error) {
	return segment.New(e.model, e.dev, nil, p)
}

// stages compares the resized image, the places of the windows, the first window's way, and the averages of all.
func (e *inference) stages(classes *segment.Classes) error {
	p := e.meta.protocol(false)
	s, err := e.segmenter(p)
	if err != nil {
		return err
	}
	resized, err := s.Resize(e.image)
	if err != nil {
		return err
	}
	windows := p.Windows(resized.Height, resized.Width)
	first, err := s.Ground(classes, []segment.Maps{resized.Cut(windows[0])})
	if err != nil {
		return err
	}
	averages, err := s.Average(classes, []segment.Maps{resized})
	if err != nil {
		return err
	}
	if err := e.windows(windows); err != nil {
		return err
	}
	for _, stage := range []struct {
		name string
		maps segment.Maps
	}{
		{"eval.resized", resized}, {"eval.window0.soft", first.Soft}, {"eval.window0.pamr", first.Refined},
		{"eval.window0.kp", first.Mixed}, {"eval.window0.out", first.Out}, {"eval.avg_scores", averages[0]},
	} {
		if err := e.scores("stages", stage.name, stage.maps.Values); err != nil {
			return err
		}
	}
	return nil
}

func (e *inference) windows(windows []segment.Window) error {
	var flat []float64
	for _, w := range windows {
		flat = append(flat, float64(w.Y1), float64(w.Y2), float64(w.X1), float64(w.X2))
	}
	return e.whole("eval.windows", flat)
}

// full compares scores and labels under the file's protocol, and the counts of its labels.
func (e *inference) full(classes *segment.Classes) error {
	labels, err := e.compare(classes, e.meta.protocol(false), "eval.scores", "eval.label", "eval.margin")
	if err != nil {
		return err
	}
	height, width := labels.Size()
	truth, err := e.labelMap("in.eval_gt", height, width)
	if err != nil {
		return err
	}
	found, err := e.labelMap("eval.label", height, width)
	if err != nil {
		return err
	}
	return e.count("eval", truth, found, 1+len(classes.Names))
}

func (e *inference) noBackground(classes *segment.Classes) error {
	p := e.meta.protocol(false)
	p.Background = false
	_, err := e.compare(classes, p, "", "eval.label_nobg", "eval.margin_nobg")
	return err
}

func (e *inference) plain(classes *segment.Classes) error {
	_, err := e.compare(classes, e.meta.protocol(true), "eval.scores_plain", "eval.label_plain", "eval.margin_plain")
	return err
}

// compare makes scores and labels under p and compares what the file has of them.
func (e *inference) compare(classes *segment.Classes, p segment.Protocol, scores, labels, margins string) (*segment.LabelMap, error) {
	s, err := e.segmenter(p)
	if err != nil {
		return nil, err
	}
	have, err := s.Scores(classes, e.image)
	if err != nil {
		return nil, err
	}
	if scores != "" {
		if err := e.scores("scores", scores, dense.Floats(have[0].Values)); err != nil {
			return nil, err
		}
	}
	found := have[0].Labels()
	return found, e.labels(labels, margins, found)
}

// labels counts the pixels that have another label although the file's best two scores are well apart.
func (e *inference) labels(name, margins string, found *segment.LabelMap) error {
	pix := found.Pix()
	want, err := sized(e.file.Int64s, name, len(pix))
	if err != nil {
		return err
	}
	apart, err := sized(e.file.Float32s, margins, len(pix))
	if err != nil {
		return err
	}
	off := 0
	for i, v := range pix {
		if int64(v) != want[i] && float64(apart[i]) >= e.bounds.margin {
			off++
		}
	}
	e.report.add("labels", bitsOff, Entry{name, float64(off), 0})
	return nil
}

// counts compares the second pair of label maps, one of whose classes is absent.
func (e *inference) counts() error {
	t, err := e.file.Tensor("in.miou_gt")
	if err != nil {
		return err
	}
	matrix, err := e.file.Tensor("miou.confusion")
	if err != nil {
		return err
	}
	if len(t.Shape) != 2 || len(matrix.Shape) != 2 {
		return fmt.Errorf("in.miou_gt has shape %v and miou.confusion %v, but [H, W] and [K, K] are understood", t.Shape, matrix.Shape)
	}
	truth, err := e.labelMap("in.miou_gt", t.Shape[0], t.Shape[1])
	if err != nil {
		return err
	}
	found, err := e.labelMap("in.miou_pred", t.Shape[0], t.Shape[1])
	if err != nil {
		return err
	}
	return e.count("miou", truth, found, matrix.Shape[0])
}

// labelMap reads a label map of that size.
func (e *inference) labelMap(name string, height, width int) (*segment.LabelMap, error) {
	pix, err := sized(e.file.Bytes, name, height*width)
	if err != nil {
		return nil, err
	}
	return segment.NewLabelMap(height, width, pix), nil
}

// count compares confusion matrix, IoU and mIoU under the prefix.
func (e *inference) count(prefix string, truth, found *segment.LabelMap, classes int) error {
	c := segment.NewConfusion(classes)
	if err := c.Add(truth, found); err != nil {
		return fmt.Errorf("%s: %w", prefix, err)
	}
	counts := make([]float64, len(c.Counts))
	for i, n := range c.Counts {
		counts[i] = float64(n)
	}
	if err := e.whole(prefix+".confusion", counts); err != nil {
		return err
	}
	for _, mean := range []struct {
		name string
		have []float64
	}{{prefix + ".iou", c.IoU()}, {prefix + ".miou", []float64{c.MeanIoU()}}} {
		want, err := sized(e.file.Float64s, mean.name, len(mean.have))
		if err != nil {
			return err
		}
		diff := 0.0
		for i, v := range mean.have {
			if math.IsNaN(v) && math.IsNaN(want[i]) {
				continue // absent here and there
			}
			diff = worse(diff, math.Abs(v-want[i]))
		}
		e.report.add("means", absolute, Entry{mean.name, diff, meanBound})
	}
	return nil
}

// whole counts the integers that differ.
func (e *inference) whole(name string, have []float64) error {
	want, err := sized(e.file.Int64s, name, len(have))
	if err != nil {
		return err
	}
	off := 0
	for i, v := range have {
		if v != float64(want[i]) {
			off++
		}
	}
	e.report.add("counts", bitsOff, Entry{name, float64(off), 0})
	return nil
}

// scores compares values of the size of probabilities.
func (e *inference) scores(group, name string, have []float32) error {
	want, err := expect(e.file, name)
	if err != nil {
		return err
	}
	diff, _, err := want.difference(widen(have))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	e.report.add(group, absolute, Entry{name, diff, e.bounds.score})
	return nil
}
