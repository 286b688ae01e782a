package segment

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/textground/textground/dataset"
)

// imageEndings are the kinds of file that are taken for images; PNGs are images where a JPEG or WebP of their stem is not.
var imageEndings = []string{".jpg", ".jpeg", ".webp", ".png"}

// labelsEnding marks a label map beside an image that is a PNG itself.
const labelsEnding = ".labels.png"

// SetError says what is wrong with a set of images and labels on disk, and what to do about it.
type SetError struct{ Place, Rule, Mend string }

func (e *SetError) Error() string { return fmt.Sprintf("%s: %s; %s", e.Place, e.Rule, e.Mend) }

// pair is an image file and the file of its labels.
type pair struct{ image, labels string }

// Directory lists a set on disk in the order of its names: images in dir beside label maps STEM.png or STEM.labels.png, or
// images in dir/images and label maps STEM.png in dir/labels. It returns the samples and how many there are.
func Directory(dir string) (iter.Seq2[Sample, error], int, error) {
	pairs, err := findPairs(dir)
	if err != nil {
		return nil, 0, err
	}
	return func(yield func(Sample, error) bool) {
		for _, p := range pairs {
			if !yield(p.read()) {
				return
			}
		}
	}, len(pairs), nil
}

func findPairs(dir string) ([]pair, error) {
	images, labels := dir, dir
	if info, err := os.Stat(filepath.Join(dir, "images")); err == nil && info.IsDir() {
		images, labels = filepath.Join(dir, "images"), filepath.Join(dir, "labels")
	}
	entries, err := os.ReadDir(images)
	if err != nil {
		return nil, &SetError{dir, "cannot be read: " + err.Error(), "name a directory of images and label maps, or \"world\""}
	}
	var pairs []pair
	for _, e := range entries {
		if p, isImage := pairOf(images, labels, e.Name()); isImage {
			pairs = append(pairs, p)
		}
	}
	if len(pairs) == 0 {
		return nil, &SetError{dir, "holds no image", "put images there with a label map STEM.png beside each"}
	}
	return pairs, nil
}

// pairOf tells whether a file is an image of the set, and which file holds its labels.
func pairOf(images, labels, name string) (pair, bool) {
	ending := strings.ToLower(filepath.Ext(name))
	if !slices.Contains(imageEndings, ending) || strings.HasSuffix(name, labelsEnding) {
		return pair{}, false
	}
	stem := strings.TrimSuffix(name, filepath.Ext(name))
	marked, plain := filepath.Join(labels, stem+labelsEnding), filepath.Join(labels, stem+".png")
	p := pair{filepath.Join(images, name), plain}
	if exists(marked) {
		p.labels = marked
		return p, true
	}
	return p, p.image != plain // a PNG without marked labels is somebody's label map
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (p pair) read() (Sample, error) {
	image, err := ReadImage(p.image)
	if err != nil {
		return Sample{}, err
	}
	data, err := os.ReadFile(p.labels)
	if err != nil {
		return Sample{}, &SetError{p.image, "has no label map: " + err.Error(), fmt.Sprintf("put an 8-bit PNG of label numbers at %s", p.labels)}
	}
	truth, err := ReadLabels(data)
	if err != nil {
		return Sample{}, &SetError{p.labels, err.Error(), "the pixel values of a label map are the classes' numbers"}
	}
	if !truth.fits(image) {
		height, width := truth.Size()
		return Sample{}, &SetError{p.labels, fmt.Sprintf("%dx%d labels for an image of %dx%d", width, height, image.Width, image.Height), "labels have the size of their image"}
	}
	return Sample{Name: p.image, Image: image, Truth: truth}, nil
}

// ReadImage reads an image file of any format that dataset decodes.
func ReadImage(path string) (*dataset.Image, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &SetError{path, "cannot be read: " + err.Error(), "name a JPEG, PNG, WebP or GIF file"}
	}
	image, err := dataset.DecodeImage(data)
	if err != nil {
		return nil, &SetError{path, err.Error(), "only JPEG, PNG, WebP and GIF files that are whole can be used"}
	}
	return image, nil
}
