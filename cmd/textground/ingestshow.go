package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/textground/textground/dataset/ingest"
)

// crawl runs an ingester to its end and shows how far it is. desk is nil where others lead.
func (f *ingestFlags) crawl(ctx context.Context, crawler *ingest.Crawler, leader ingest.Leader, plan *ingest.Plan, desk *ingest.Desk, talk io.Writer) error {
	stop, err := serveIngestMetrics(f.metrics, f.publicMetrics, crawler.Counts, plan, desk, talk)
	if err != nil {
		return err
	}
	defer stop()
	before := 0
	if desk != nil {
		before, _, _ = desk.State()
	}
	count := newCounter(talk, "URLs", plan.Rows)
	defer count.stop()
	ended := make(chan struct{})
	var g errgroup.Group
	g.Go(func() error {
		defer close(ended)
		return crawler.Run(ctx, leader)
	})
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return g.Wait()
		case <-tick.C:
			done := before*plan.Settings.PerShard + int(crawler.Counts.URLs())
			if desk != nil {
				sealed, _, _ := desk.State()
				done = max(done, sealed*plan.Settings.PerShard)
			}
			count.set(min(done, plan.Rows))
		}
	}
}

// finish writes the index and says what became of the list.
func (f *ingestFlags) finish(ctx context.Context, counts *ingest.Counts, out, talk io.Writer) error {
	_, summary, err := ingest.WriteIndex(ctx, f.home)
	if err != nil && summary.Rows > 0 && summary.Answered == 0 {
		err = fmt.Errorf("none of %d URLs gave an image (%s); nothing is indexed; %s/ingest has the ledger", summary.Rows, classesText(summary), f.home)
	}
	if err != nil {
		return err
	}
	if !summary.Complete {
		return fmt.Errorf("%d of %d URLs have no line in a ledger of %s, although an ingester said so; run the same command again", summary.Rows-summary.Done, summary.Rows, f.home)
	}
	if counts != nil {
		summary.Counts = map[string]any{"requests": counts.Requests.Load(), "retries": counts.Retries.Load(), "bytes": counts.Bytes.Load(), "parts": counts.Parts.Load(), "parts_late": counts.Late.Load()}
	}
	if f.asJSON {
		return json.NewEncoder(out).Encode(summary)
	}
	fmt.Fprintf(out, "%d of %d URLs answered; %d pairs in %d shards, fingerprint %s\n", summary.Answered, summary.Rows, summary.Samples, summary.Shards, summary.Fingerprint)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, class := range ingest.Classes {
		if n := summary.Classes[class]; n > 0 {
			fmt.Fprintf(table, "  %s\t%d\n", class, n)
		}
	}
	table.Flush()
	if summary.Retryable > 0 {
		fmt.Fprintf(talk, "%d may answer later: textground ingest --retry-failed --to %s\n", summary.Retryable, f.to)
	}
	fmt.Fprintf(talk, "next: textground data show %s --store %s\n", f.prefix, f.storeURL)
	return nil
}

func classesText(s ingest.Summary) string {
	var words []string
	for _, class := range ingest.Classes {
		if n := s.Classes[class]; n > 0 {
			words = append(words, fmt.Sprintf("%s %d", class, n))
		}
	}
	return strings.Join(words, ", ")
}
