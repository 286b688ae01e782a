package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/textground/textground/segment"
)

// segmentation is one image's outcome, for --json too.
type segmentation struct {
	Image   string          `json:"image"`
	Width   int             `json:"width"`
	Height  int             `json:"height"`
	Classes []segment.Found `json:"classes"`
	Files   []string        `json:"files"`
	Weights string          `json:"weights"`

	Protocol segment.Protocol `json:"protocol"`
}

// segmenting is the command with its flags.
type segmenting struct {
	grounding groundingFlags
	text, out string
	scores    string
	rle       bool
	asJSON    bool
}

func newSegment() *cobra.Command {
	var s segmenting
	c := &cobra.Command{
		Use: "segment IMAGE... --text \"cat|kitten, tree\"", Short: "Masks of what you name, in your pictures", Args: imageArgs,
		Long: `Find what --text names in pictures, or in all pictures of a directory. Classes stand apart by commas, several names of one
class by bars. Whatever no class fits better than --threshold is background; --no-background gives every pixel to a class.

For each picture two files are written: STEM.masks.png to look at, with a legend of scores and shares, and STEM.labels.png,
whose pixel values are the numbers of the classes (0 is the background); --rle adds STEM.rle.json, COCO's run lengths.
--scores writes what the masks were chosen by: float32 [class, row, column], for numpy.load.`,
		Example: `  textground segment cat.jpg --text "cat|kitten, tree"
  textground segment photos/ --text "car, house" --out masks --rle --json
  textground segment cat.jpg --text "cat, sofa" --scores cat.npy
  textground segment cat.jpg --text "cat, sofa" --no-background --pamr --weights grounder.safetensors`,
		RunE: s.run,
	}
	s.grounding.add(c)
	flags := c.Flags()
	flags.StringVar(&s.text, "text", "", "what to find, such as \"cat|kitten, tree\"")
	flags.StringVar(&s.out, "out", "masks", "directory for the files")
	flags.StringVar(&s.scores, "scores", "", "also the scores of one picture, as a NumPy array in this file")
	flags.BoolVar(&s.rle, "rle", false, "also COCO run lengths as JSON")
	flags.BoolVar(&s.asJSON, "json", false, "one JSON object a picture")
	return c
}

func imageArgs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return badInput("name a picture, or a directory of pictures, such as: textground segment cat.jpg --text \"cat, tree\"")
	}
	return nil
}

func (s *segmenting) run(c *cobra.Command, args []string) error {
	if strings.TrimSpace(s.text) == "" {
		return badInput("--text is missing; say what to find, such as --text \"cat|kitten, tree\"")
	}
	names, err := segment.ParseClasses(s.text)
	if err != nil {
		return badInput("--text: " + err.Error())
	}
	paths, err := picturesOf(args)
	if err != nil {
		return err
	}
	if s.scores != "" && len(paths) > 1 {
		return badInput(fmt.Sprintf("--scores %s holds the scores of one picture, but there are %d; name one of them", s.scores, len(paths)))
	}
	g, err := s.grounding.open(c)
	if err != nil {
		return err
	}
	defer g.close()
	classes, err := g.segmenter.Classes(names)
	if err != nil {
		return err
	}
	if !s.asJSON {
		fmt.Fprintf(c.ErrOrStderr(), "weights: %s\n", g.origin)
	}
	bad := 0
	for _, path := range paths {
		if err := c.Context().Err(); err != nil {
			return err
		}
		var unusable *segment.SetError
		switch err := s.picture(c.OutOrStdout(), g, classes, path); {
		case errors.As(err, &unusable) && len(paths) == 1:
			return badInput(err.Error())
		case errors.As(err, &unusable):
			bad++
			fmt.Fprintf(c.ErrOrStderr(), "not segmented: %v\n", err)
		case err != nil:
			return err
		}
	}
	if bad > 0 {
		return badInput(fmt.Sprintf("%d of %d pictures could not be used", bad, len(paths)))
	}
	if !s.asJSON {
		fmt.Fprintf(c.ErrOrStderr(), "next: other words, another --threshold, --no-background or --pamr; how good the masks are: textground eval world\n")
	}
	return nil
}

// picture segments one picture, writes its files and tells what was found.
func (s *segmenting) picture(out io.Writer, g *grounder, classes *segment.Classes, path string) error {
	img, err := segment.ReadImage(path)
	if err != nil {
		return err
	}
	scores, err := g.segmenter.Scores(classes, img)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	labels, p := scores[0].Labels(), g.segmenter.Protocol()
	r := segmentation{Image: path, Width: img.Width, Height: img.Height, Classes: scores[0].Found(labels), Weights: g.origin, Protocol: p}
	at := func(ending string) string { return filepath.Join(s.out, stem(path)+ending) }
	files := []pictureFile{
		{at(".masks.png"), func(w io.Writer) error { return png.Encode(w, segment.Overlay(img, labels, scores[0], p.Background)) }},
		{at(".labels.png"), func(w io.Writer) error { return labels.WritePNG(w, p.Background) }},
	}
	if s.rle {
		files = append(files, pictureFile{at(".rle.json"), func(w io.Writer) error {
			return plainJSON(w).Encode(cocoMasks(path, labels, r.Classes, p.Background))
		}})
	}
	if s.scores != "" {
		files = append(files, pictureFile{s.scores, scores[0].WriteNPY})
	}
	for _, f := range files {
		if err := writeFile(f.name, f.write); err != nil {
			return err
		}
		r.Files = append(r.Files, f.name)
	}
	if s.asJSON {
		return plainJSON(out).Encode(r)
	}
	return r.tell(out)
}

// plainJSON encodes without escaping what only web pages mind.
func plainJSON(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// pictureFile is one of the files that are written for a picture.
type pictureFile struct {
	name  string
	write func(io.Writer) error
}

func (r segmentation) tell(out io.Writer) error {
	fmt.Fprintf(out, "%s, %dx%d\n", r.Image, r.Width, r.Height)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range r.Classes {
		if f.Pixels == 0 {
			fmt.Fprintf(table, "  %s\tnot found\tbest score %.2f\n", f.Name, f.Peak)
			continue
		}
		fmt.Fprintf(table, "  %s\t%.1f %%\tscore %.2f\n", f.Name, 100*f.Share, f.Score)
	}
	table.Flush()
	_, err := fmt.Fprintf(out, "  in %s\n", strings.Join(r.Files, ", "))
	return err
}

// cocoMask is a mask in the form of COCO's results.
type cocoMask struct {
	Image        string      `json:"image"`
	CategoryID   int         `json:"category_id"`
	Category     string      `json:"category"`
	Segmentation segment.RLE `json:"segmentation"`
	Area         int         `json:"area"`
	BBox         [4]int      `json:"bbox"`
	Score        float64     `json:"score"`
}

// cocoMasks lists the masks that have pixels, without the background.
func cocoMasks(path string, labels *segment.LabelMap, found []segment.Found, background bool) []cocoMask {
	masks := []cocoMask{}
	for _, f := range found {
		if f.Pixels == 0 || background && f.Label == 0 {
			continue
		}
		masks = append(masks, cocoMask{path, f.Label, f.Name, labels.RLE(f.Label), f.Pixels, f.Box, f.Score})
	}
	return masks
}

// picturesOf lists the pictures that the arguments name; of a directory all, in the order of their names.
func picturesOf(args []string) ([]string, error) {
	var paths []string
	for _, arg := range args {
		entries, err := os.ReadDir(arg)
		if err != nil {
			paths = append(paths, arg) // no directory: a picture, or an error when it is read
			continue
		}
		before := len(paths)
		for _, e := range entries {
			if slices.Contains([]string{".jpg", ".jpeg", ".png", ".webp", ".gif"}, strings.ToLower(filepath.Ext(e.Name()))) {
				paths = append(paths, filepath.Join(arg, e.Name()))
			}
		}
		if len(paths) == before {
			return nil, badInput(fmt.Sprintf("%s holds no picture; name a directory of JPEG, PNG, WebP or GIF files", arg))
		}
	}
	seen := map[string]string{}
	for _, path := range paths {
		if first, twice := seen[stem(path)]; twice {
			return nil, badInput(fmt.Sprintf("%s and %s would both be written as %s.masks.png; segment them one after the other, with different --out", first, path, stem(path)))
		}
		seen[stem(path)] = path
	}
	return paths, nil
}

func stem(path string) string {
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
}
