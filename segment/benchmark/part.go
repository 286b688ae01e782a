package benchmark

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"

	"github.com/textground/textground/segment"
)

// Part is what some images of a set come to: all that their share of the number depends on.
type Part struct {
	Images []Score `json:"images"`
	Counts []int64 `json:"counts"` // confusion, [classes, classes], rows = truth
}

// Score is the mIoU of one image over the classes that it has or was given; null where none of its pixels counts.
type Score struct {
	Name string   `json:"name"`
	MIoU *float64 `json:"miou"`
}

// Evaluate segments the images of the set under the segmenter's protocol. progress, which may be nil, hears how many are
// done.
func (s *Set) Evaluate(ctx context.Context, by *segment.Segmenter, classes *segment.Classes, progress func(done int)) (*Part, error) {
	all := segment.NewConfusion(len(s.Classes()))
	part := &Part{Counts: all.Counts}
	err := by.Compare(ctx, s.Samples(), classes, func(sample segment.Sample, one *segment.Confusion) {
		all.Join(one)
		part.Images = append(part.Images, scoreOf(sample.Name, one))
		if progress != nil {
			progress(len(part.Images))
		}
	})
	return part, err
}

func scoreOf(name string, one *segment.Confusion) Score {
	if miou := one.MeanIoU(); !math.IsNaN(miou) {
		return Score{name, &miou}
	}
	return Score{Name: name}
}

// Join puts the parts of all shares together, in the order of the set. Every image must be there once.
func (s *Set) Join(parts ...*Part) (*Part, error) {
	all := segment.NewConfusion(len(s.Classes()))
	scores := map[string]Score{}
	for _, part := range parts {
		if len(part.Counts) != len(all.Counts) {
			return nil, fmt.Errorf("a share of %s has %d counts, not %d", s.Name, len(part.Counts), len(all.Counts))
		}
		all.Join(&segment.Confusion{Classes: all.Classes, Counts: part.Counts})
		for _, score := range part.Images {
			if _, twice := scores[score.Name]; twice {
				return nil, fmt.Errorf("two shares of %s have image %s", s.Name, score.Name)
			}
			scores[score.Name] = score
		}
	}
	joined := &Part{Counts: all.Counts}
	for _, name := range s.Names {
		score, there := scores[name]
		if !there {
			return nil, fmt.Errorf("no share of %s has image %s", s.Name, name)
		}
		joined.Images = append(joined.Images, score)
	}
	if len(scores) != len(s.Names) {
		return nil, fmt.Errorf("the shares of %s have %d images, not %d", s.Name, len(scores), len(s.Names))
	}
	return joined, nil
}

// Result is the table of a part.
func (s *Set) Result(part *Part, p segment.Protocol) *segment.Result {
	names := s.Classes()
	return segment.NewResult(&segment.Confusion{Classes: len(names), Counts: part.Counts}, names, len(part.Images), p)
}

// Worst lists the n images of the lowest scores, the lowest first, equal ones in the order of the set.
func (p *Part) Worst(n int) []Score {
	var scored []Score
	for _, score := range p.Images {
		if score.MIoU != nil {
			scored = append(scored, score)
		}
	}
	slices.SortStableFunc(scored, func(a, b Score) int {
		switch {
		case *a.MIoU < *b.MIoU:
			return -1
		case *a.MIoU > *b.MIoU:
			return 1
		}
		return 0
	})
	return scored[:min(n, len(scored))]
}

// Digest is the SHA-256 of the confusion matrix, little-endian: equal where every pixel was counted alike.
func (p *Part) Digest() string {
	h := sha256.New()
	for _, n := range p.Counts {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
	return hex.EncodeToString(h.Sum(nil))
}
