package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/store"
)

// provenance is what a shard keeps about where a sample comes from, as its .json entry.
type provenance struct {
	URL            string `json:"url"`
	Status         int    `json:"status"`
	SHA256         string `json:"sha256"` // of the body as it came
	Bytes          int    `json:"bytes"`  // of the body as it came
	OriginalWidth  int    `json:"original_width"`
	OriginalHeight int    `json:"original_height"`
	Width          int    `json:"width"`
	Height         int    `json:"height"`
}

// outcome is what became of one row: an entry, and a sample where it answered.
type outcome struct {
	entry  Entry
	sample dataset.Sample
}

// crawlPart asks for every URL of a part, many at a time, and returns the outcomes in list order.
func (c *Crawler) crawlPart(ctx context.Context, part int, rows []Row, a *activePart) ([]outcome, error) {
	outcomes := make([]outcome, len(rows))
	a.rows.Store(int64(len(rows)))
	g, ctx := errgroup.WithContext(ctx)
	for i, row := range rows {
		g.Go(func() (err error) {
			outcomes[i], err = c.crawlRow(ctx, row, fmt.Sprintf("%05d%05d", part, i))
			if err == nil {
				c.Counts.add(outcomes[i].entry.Class)
				if a.settle(len(outcomes[i].sample.Image)) {
					c.speak()
				}
			}
			return err
		})
	}
	return outcomes, g.Wait()
}

func (c *Crawler) crawlRow(ctx context.Context, row Row, key string) (outcome, error) {
	o := outcome{entry: Entry{Row: row.Number, URL: row.URL, Class: Answered}}
	b, tries, err := c.fetcher.fetch(ctx, row.URL)
	o.entry.Tries = tries
	if err == nil {
		defer b.release()
		err = c.take(ctx, &o, b, row, key)
	}
	var failed *failure
	if errors.As(err, &failed) {
		o.entry.Class, o.entry.Error = failed.class, shortened(failed.err)
		o.entry.Status = max(o.entry.Status, failed.status)
		return o, nil
	}
	return o, err
}

// take makes the sample of a body. Only as many are unpacked at once as there are cores.
func (c *Crawler) take(ctx context.Context, o *outcome, b body, row Row, key string) error {
	digest := sha256.Sum256(b.data)
	o.entry.Status, o.entry.Bytes, o.entry.SHA256 = b.status, len(b.data), hex.EncodeToString(digest[:])
	var room *scratch
	select {
	case room = <-c.decoders:
		defer func() { c.decoders <- room }()
	case <-ctx.Done():
		return ctx.Err()
	}
	p, err := c.plan.Settings.makePicture(c.codec, b.data, room)
	if err != nil {
		return err
	}
	o.entry.Key = key
	info, err := json.Marshal(provenance{row.URL, b.status, o.entry.SHA256, len(b.data), p.originalWidth, p.originalHeight, p.width, p.height})
	if err != nil {
		return fmt.Errorf("describing %q: %w", row.URL, err)
	}
	o.sample = dataset.Sample{Key: key, Image: p.data, Caption: row.Caption, Info: info}
	return nil
}

// shortened makes one safe line of an error for a ledger.
func shortened(err error) string {
	const longest = 300
	return cleanCaption(strings.ToValidUTF8(err.Error(), "?"), longest)
}

// seal writes a part's shard and then its ledger, both only if they are not there. It reports whether it was first.
//
// A shard of this name may lie there without a ledger, from somebody who died in between. With the same answers it has the
// same bytes. Otherwise the new one takes a name with its digest, so that nothing that a ledger may name is ever replaced.
func (c *Crawler) seal(ctx context.Context, part int, outcomes []outcome) (first bool, err error) {
	l := &Ledger{Format: ledgerFormat, Generation: c.plan.Generation, Part: part}
	var samples []dataset.Sample
	for _, o := range outcomes {
		l.Entries = append(l.Entries, o.entry)
		if o.entry.Class == Answered {
			samples = append(samples, o.sample)
		}
	}
	if l.Answered = len(samples); l.Answered > 0 {
		shard, err := putShard(ctx, c.home, shardName(c.plan.Generation, part), samples)
		if err != nil {
			return false, fmt.Errorf("writing the shard of part %d: %w", part, err)
		}
		l.Shard = &shard
	}
	err = c.home.PutNew(ctx, ledgerKey(c.plan.Generation, part), l.encode())
	if errors.Is(err, store.ErrExists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("sealing part %d: %w", part, err)
	}
	return true, nil
}

func putShard(ctx context.Context, home store.Store, name string, samples []dataset.Sample) (dataset.Shard, error) {
	data, shard, err := dataset.PackShard(name, samples)
	if err != nil {
		return dataset.Shard{}, err
	}
	err = home.PutNew(ctx, name, data)
	if !errors.Is(err, store.ErrExists) {
		return shard, err
	}
	there, err := readObject(ctx, home, name, max(shard.Size, 1))
	if err == nil && bytes.Equal(there, data) {
		return shard, nil
	}
	shard.Name = strings.TrimSuffix(name, ".tar") + "-" + shard.SHA256[:16] + ".tar"
	return shard, putOnce(ctx, home, shard.Name, data)
}
