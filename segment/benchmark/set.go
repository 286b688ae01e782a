package benchmark

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/textground/textground/segment"
)

// Set is the validation split of a benchmark on disk, or a share of it.
type Set struct {
	*Benchmark
	Names []string // of the images, in the order of the split

	root string
}

// Open finds the data set under dir and lists its images.
func (b *Benchmark) Open(dir string) (*Set, error) {
	root, err := b.layout.find(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name, err)
	}
	names, err := b.layout.list(root)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name, err)
	}
	return &Set{b, names, root}, nil
}

// First is the set of the first n images; of all where there are fewer.
func (s *Set) First(n int) *Set {
	return &Set{s.Benchmark, s.Names[:min(n, len(s.Names))], s.root}
}

// Share is every n-th image, from image i on, so that the shares of n processes are the set.
func (s *Set) Share(i, n int) *Set {
	share := &Set{s.Benchmark, nil, s.root}
	for k := i; k < len(s.Names); k += n {
		share.Names = append(share.Names, s.Names[k])
	}
	return share
}

// Samples reads the images and their label maps in order. Errors name the file.
func (s *Set) Samples() iter.Seq2[segment.Sample, error] {
	return func(yield func(segment.Sample, error) bool) {
		for _, name := range s.Names {
			if !yield(s.Read(name)) {
				return
			}
		}
	}
}

// Read reads the image of that name and its labels.
func (s *Set) Read(name string) (segment.Sample, error) {
	image, err := segment.ReadImage(s.imageFile(name))
	if err != nil {
		return segment.Sample{}, err
	}
	truth, err := s.readTruth(s.labelFile(name))
	if err != nil {
		return segment.Sample{}, err
	}
	if height, width := truth.Size(); height != image.Height || width != image.Width {
		return segment.Sample{}, &segment.SetError{Place: s.labelFile(name), Mend: "labels have the size of their image",
			Rule: fmt.Sprintf("%dx%d labels, but %s has %dx%d pixels", width, height, s.imageFile(name), image.Width, image.Height)}
	}
	return segment.Sample{Name: name, Image: image, Truth: truth}, nil
}

func (s *Set) imageFile(name string) string {
	return filepath.Join(s.root, s.layout.images, filepath.FromSlash(name)+s.layout.imageEnding)
}

func (s *Set) labelFile(name string) string {
	return filepath.Join(s.root, s.layout.labels, filepath.FromSlash(name)+s.layout.labelEnding)
}

// readTruth reads a label map and checks its numbers.
func (s *Set) readTruth(path string) (*segment.LabelMap, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, s.unreadable(path, err)
	}
	truth, err := segment.ReadLabels(data)
	if err != nil {
		return nil, &segment.SetError{Place: path, Rule: err.Error(), Mend: s.layout.expected()}
	}
	_, width := truth.Size()
	for i, v := range truth.Pix() {
		if int(v) > s.largestLabel() && v != segment.Ignored {
			return nil, &segment.SetError{Place: path, Mend: s.layout.expected(),
				Rule: fmt.Sprintf("label %d at (%d, %d), but %s has labels 0 to %d, and %d", v, i%width, i/width, s.Name, s.largestLabel(), segment.Ignored)}
		}
	}
	return truth, nil
}

func (s *Set) unreadable(path string, err error) error {
	rule := err.Error()
	if errors.Is(err, fs.ErrNotExist) {
		rule = "is missing"
	}
	return &segment.SetError{Place: path, Rule: rule, Mend: s.layout.expected()}
}

// Digest is the SHA-256 of names and contents of all images and label maps in order. It reads every file, and so finds
// whatever is missing before hours of work.
func (s *Set) Digest(ctx context.Context) (string, error) {
	all := sha256.New()
	for _, name := range s.Names {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		fmt.Fprintf(all, "%q\n", name)
		for _, path := range []string{s.imageFile(name), s.labelFile(name)} {
			one, err := fileDigest(path)
			if err != nil {
				return "", s.unreadable(path, err)
			}
			all.Write(one)
		}
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

func fileDigest(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}
