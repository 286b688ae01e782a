package dataset

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/store"
)

// Stats says what a data set holds, counted over the samples that were looked at.
type Stats struct {
	Fingerprint string         `json:"fingerprint"`
	Shards      int            `json:"shards"`
	Samples     int            `json:"samples"` // of the data set
	Bytes       int64          `json:"bytes"`   // of its shards
	Looked      int            `json:"looked_at"`
	ImageBytes  int64          `json:"image_bytes"`
	Formats     map[string]int `json:"formats"`
	Unusable    map[string]int `json:"unusable"`         // by reason
	ShortSide   []Bin          `json:"short_side"`       // pixels
	Aspect      []Bin          `json:"aspect"`           // width over height
	Caption     []Bin          `json:"caption_length"`   // characters
	FileSize    []Bin          `json:"image_file_bytes"` // bytes
}

// Bin counts values from From up to, and without, the From of the next.
type Bin struct {
	From  float64 `json:"from"`
	Count int     `json:"count"`
}

func bins(from ...float64) []Bin {
	out := make([]Bin, len(from))
	for i, f := range from {
		out[i].From = f
	}
	return out
}

func count(bins []Bin, value float64) {
	for i := len(bins) - 1; i >= 0; i-- {
		if value >= bins[i].From {
			bins[i].Count++
			return
		}
	}
}

// TakeStats decodes at most limit samples, evenly spaced through the index, and counts. Progress, which may be nil, hears the number of
// samples done and of all.
func TakeStats(ctx context.Context, st store.Store, prefix string, ix *Index, limit int, progress func(done, all int)) (Stats, error) {
	looked := min(limit, ix.Samples())
	s := Stats{Fingerprint: ix.Fingerprint, Shards: len(ix.Shards), Samples: ix.Samples(), Bytes: ix.Bytes(), Looked: looked,
		Formats: map[string]int{}, Unusable: map[string]int{},
		ShortSide: bins(0, 64, 128, 224, 256, 384, 512, 768, 1024, 2048),
		Aspect:    bins(0, 1./3, 1./2, 3./4, 1, 4./3, 2, 3),
		Caption:   bins(0, 1, 10, 20, 40, 80, 160, 320, 1000),
		FileSize:  bins(0, 1<<12, 1<<14, 1<<16, 1<<17, 1<<18, 1<<20, 1<<22),
	}
	var mu sync.Mutex
	done := 0
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i := range looked {
		g.Go(func() error {
			sample, err := ReadSample(ctx, st, prefix, ix, SampleID(i*ix.Samples()/looked))
			bad := (*badSample)(nil)
			if err != nil && !errors.As(err, &bad) {
				return err
			}
			img, reason := judgeImage(sample.Image)
			if bad != nil {
				reason = bad.reason
			}
			mu.Lock()
			defer mu.Unlock()
			s.add(sample, img, reason)
			done++
			if progress != nil {
				progress(done, looked)
			}
			return nil
		})
	}
	return s, g.Wait()
}

// judgeImage returns the picture, or why there is none.
func judgeImage(data []byte) (*Image, string) {
	img, err := DecodeImage(data)
	if bad := (*DecodeError)(nil); errors.As(err, &bad) {
		return nil, bad.Reason
	}
	return img, ""
}

func (s *Stats) add(sample Sample, img *Image, reason string) {
	if reason != "" {
		s.Unusable[reason]++
		return
	}
	s.Formats[imageExtension(sample.Image)]++
	s.ImageBytes += int64(len(sample.Image))
	count(s.FileSize, float64(len(sample.Image)))
	count(s.ShortSide, float64(min(img.Width, img.Height)))
	count(s.Aspect, float64(img.Width)/float64(img.Height))
	count(s.Caption, float64(utf8.RuneCountInString(sample.Caption)))
}
