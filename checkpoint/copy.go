package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/textground/textground/store"
)

// CopyReport says what Copy did.
type CopyReport struct {
	Copied  []Copied
	Skipped []Skipped
}

// Copied is a checkpoint that is in both stores now.
type Copied struct {
	Lineage Lineage
	Step    int
}

// Copy copies a run to another store so that it can resume there: its fencing tokens, its checkpoints, volumes before
// manifests and every digest compared on the way, and whatever else lies under the run. Checkpoints that do not verify are
// skipped with their reason. Copy may be called again after any error and goes on where it stopped; a checkpoint of
// another state that is there already is ErrDiverged.
func Copy(ctx context.Context, from, to store.Store, run string) (CopyReport, error) {
	var report CopyReport
	err := copyRun(ctx, from, to, run, &report)
	if err != nil {
		return report, fmt.Errorf("copy run %s from %s to %s: %w", run, from, to, err)
	}
	return report, nil
}

func copyRun(ctx context.Context, from, to store.Store, run string, report *CopyReport) error {
	if err := (Lineage{Run: run}).check(); err != nil {
		return err
	}
	if err := copyRest(ctx, from, to, run); err != nil {
		return err
	}
	lineages, err := Lineages(ctx, from)
	if err != nil {
		return err
	}
	for _, l := range lineages {
		if l.Run != run {
			continue
		}
		if err := copyLineage(ctx, from, to, l, report); err != nil {
			return err
		}
	}
	return nil
}

// copyRest copies what is no checkpoint: the epochs, which nothing may overwrite, and the run file, journal and the like.
func copyRest(ctx context.Context, from, to store.Store, run string) error {
	infos, err := from.List(ctx, "runs/"+run+"/")
	if err != nil {
		return err
	}
	for _, info := range infos {
		l, inLineage := lineageOf(info.Key)
		if inLineage && strings.HasPrefix(info.Key, l.stepsPrefix()) {
			continue
		}
		data, err := store.ReadAll(ctx, from, info.Key)
		if err != nil {
			return err
		}
		put := to.Put
		if inLineage {
			put = to.PutNew
		}
		if err := put(ctx, info.Key, data); err != nil && !errors.Is(err, store.ErrExists) {
			return err
		}
	}
	return nil
}

func copyLineage(ctx context.Context, from, to store.Store, l Lineage, report *CopyReport) error {
	entries, err := List(ctx, from, l)
	if err != nil {
		return err
	}
	for _, e := range entries {
		err := e.Problem
		if err == nil {
			err = copyCheckpoint(ctx, from, to, e.Manifest)
		}
		switch {
		case err == nil:
			report.Copied = append(report.Copied, Copied{Lineage: l, Step: e.Step})
		case unusable(err):
			report.Skipped = append(report.Skipped, Skipped{Step: e.Step, Reason: err})
		default:
			return fmt.Errorf("step %d of %s: %w", e.Step, l, err)
		}
	}
	return nil
}

func copyCheckpoint(ctx context.Context, from, to store.Store, m *Manifest) error {
	if err := Verify(ctx, from, m, true); err != nil {
		return err
	}
	for _, record := range m.Volumes {
		data, err := readUpTo(ctx, from, m.volumeKey(record), record.Bytes)
		if err != nil {
			return err
		}
		if err := putOnce(ctx, to, m.volumeKey(record), data); err != nil {
			return err
		}
	}
	err := to.PutNew(ctx, m.lineage().manifestKey(m.Step), m.encode())
	if !errors.Is(err, store.ErrExists) {
		return err
	}
	standing, err := ReadManifest(ctx, to, m.lineage(), m.Step)
	if err == nil && standing.State != m.State {
		return fmt.Errorf("%w in %s: %.12s, not %.12s", ErrDiverged, to, standing.State, m.State)
	}
	return err
}
