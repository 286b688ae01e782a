package ingest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/store"
)

var ourShard = regexp.MustCompile(`^(r[1-9][0-9]*-)?[0-9]{5,}(-[0-9a-f]{16})?(-unique)?\.tar$`)

func isOurShard(key string) bool { return ourShard.MatchString(key) }

// unique returns the shards of generations that are done, without exact duplicates. Of bodies with one digest the first stays, in the order of generations
// and then of the list: so it does not matter who crawled what, nor when. A shard that holds a later one is written again
// beside the old, which is deleted when the index is there.
func unique(ctx context.Context, home store.Store, ledgers []*Ledger) ([]dataset.Shard, error) {
	seen := map[string]bool{}
	var shards []dataset.Shard
	for _, ledger := range ledgers {
		drop := map[string]bool{}
		for _, entry := range ledger.Entries {
			if entry.Class == Answered {
				drop[entry.Key] = seen[entry.SHA256]
				seen[entry.SHA256] = true
			}
		}
		if ledger.Shard == nil {
			continue
		}
		shard, err := withoutSamples(ctx, home, *ledger.Shard, drop)
		if err != nil {
			return nil, fmt.Errorf("leaving duplicates out of shard %s: %w", ledger.Shard.Name, err)
		}
		if shard.Samples > 0 {
			shards = append(shards, shard)
		}
	}
	return shards, nil
}

// withoutSamples returns the line of a shard that lacks the samples whose keys drop has as true; an empty one where nothing
// is left.
func withoutSamples(ctx context.Context, home store.Store, shard dataset.Shard, drop map[string]bool) (dataset.Shard, error) {
	left := 0
	for _, dropped := range drop {
		if !dropped {
			left++
		}
	}
	switch left {
	case len(drop):
		return shard, nil
	case 0:
		return dataset.Shard{}, nil
	}
	name := strings.TrimSuffix(shard.Name, ".tar") + "-unique.tar"
	lineKey := "ingest/unique/" + strings.TrimSuffix(name, ".tar") + ".json"
	var line dataset.Shard
	data, err := readObject(ctx, home, lineKey, maxLedgerBytes)
	if err == nil {
		return line, json.Unmarshal(data, &line)
	}
	if !errors.Is(err, store.ErrNotExist) {
		return line, err
	}
	samples, err := readSamples(ctx, home, shard, drop)
	if err != nil {
		return line, err
	}
	packed, line, err := dataset.PackShard(name, samples)
	if err != nil {
		return line, err
	}
	if err := putOnce(ctx, home, name, packed); err != nil {
		return line, err
	}
	if data, err = json.Marshal(line); err != nil {
		return line, err
	}
	return line, putOnce(ctx, home, lineKey, data)
}

// readSamples reads back the samples of a shard that we wrote, but those to drop.
func readSamples(ctx context.Context, home store.Store, shard dataset.Shard, drop map[string]bool) ([]dataset.Sample, error) {
	data, err := readObject(ctx, home, shard.Name, shard.Size)
	if err != nil {
		return nil, err
	}
	var samples []dataset.Sample
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return samples, nil
		}
		if err != nil {
			return nil, err
		}
		entry, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		key, extension, _ := strings.Cut(header.Name, ".")
		if drop[key] {
			continue
		}
		if len(samples) == 0 || samples[len(samples)-1].Key != key {
			samples = append(samples, dataset.Sample{Key: key})
		}
		sample := &samples[len(samples)-1]
		switch extension {
		case "txt":
			sample.Caption = string(entry)
		case "json":
			sample.Info = entry
		default:
			sample.Image = entry
		}
	}
}
