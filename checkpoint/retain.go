package checkpoint

import (
	"context"
	"fmt"

	"github.com/textground/textground/store"
)

// Retention removes checkpoints that are no longer needed. It remembers which manifests it has read back in full, so one
// is kept for a run; it belongs to one goroutine.
type Retention struct {
	keep     int
	verified map[string]bool // digests of manifests
}

// NewRetention keeps the newest keep healthy checkpoints, at least one.
func NewRetention(keep int) *Retention {
	return &Retention{keep: max(keep, 1), verified: map[string]bool{}}
}

// Apply deletes everything older than the keep-th newest healthy checkpoint, where healthy means read back, every digest
// equal and every value finite. If there are not that many, nothing is deleted: a damaged or poisoned checkpoint never
// pushes a healthy one out. A manifest goes before its volumes, so that a crash leaves orphans and no manifest without
// volumes. Then it sweeps orphans of earlier crashes and of abandoned saves. The steps deleted are returned.
func (r *Retention) Apply(ctx context.Context, st store.Store, l Lineage) ([]int, error) {
	deleted, err := r.apply(ctx, st, l)
	if err != nil {
		return deleted, fmt.Errorf("retain %d checkpoints of %s: %w", r.keep, l, err)
	}
	return deleted, nil
}

func (r *Retention) apply(ctx context.Context, st store.Store, l Lineage) ([]int, error) {
	entries, err := List(ctx, st, l)
	if err != nil {
		return nil, err
	}
	oldest, err := r.oldestKept(ctx, st, entries)
	if err != nil {
		return nil, err
	}
	var deleted []int
	for _, e := range entries {
		if e.Step >= oldest {
			break
		}
		if err := deleteStep(ctx, st, l, e.Step); err != nil {
			return deleted, err
		}
		deleted = append(deleted, e.Step)
	}
	return deleted, sweepOrphans(ctx, st, l, entries[len(deleted):])
}

// oldestKept finds the step of the keep-th newest healthy checkpoint; without one, or with nothing older, 0.
func (r *Retention) oldestKept(ctx context.Context, st store.Store, entries []Entry) (int, error) {
	healthy := 0
	for i := len(entries) - 1; i > 0; i-- {
		ok, err := r.healthy(ctx, st, entries[i])
		if err != nil {
			return 0, err
		}
		if ok {
			healthy++
		}
		if healthy == r.keep {
			return entries[i].Step, nil
		}
	}
	return 0, nil
}

// healthy reads a checkpoint back in full the first time, and looks for its volumes every time.
func (r *Retention) healthy(ctx context.Context, st store.Store, e Entry) (bool, error) {
	err := e.Problem
	if err == nil {
		err = Verify(ctx, st, e.Manifest, !r.verified[e.Manifest.Digest])
	}
	if unusable(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r.verified[e.Manifest.Digest] = true
	return true, nil
}

// deleteStep removes the manifest, then everything else of the step.
func deleteStep(ctx context.Context, st store.Store, l Lineage, step int) error {
	if err := st.Delete(ctx, l.manifestKey(step)); err != nil {
		return err
	}
	infos, err := st.List(ctx, l.stepPrefix(step))
	if err != nil {
		return err
	}
	for _, info := range infos {
		if err := st.Delete(ctx, info.Key); err != nil {
			return err
		}
	}
	return nil
}

// sweepOrphans deletes volumes that no manifest names and that nobody can still seal. Listings carry no times, and clocks
// of different machines prove nothing; the protocol does: a writer of an older epoch is fenced, and a coordinator has one
// save in flight, so once it has sealed a later step it never comes back to an earlier one.
func sweepOrphans(ctx context.Context, st store.Store, l Lineage, entries []Entry) error {
	current, err := HighestEpoch(ctx, st, l)
	if err != nil {
		return err
	}
	named, unreadable, lastSealed := survey(entries)
	infos, err := st.List(ctx, l.stepsPrefix())
	if err != nil {
		return err
	}
	for _, info := range infos {
		step, rest, ok := l.splitStepKey(info.Key)
		epoch, isVolume := volumeEpoch(rest)
		if !ok || !isVolume || named[info.Key] || unreadable[step] {
			continue
		}
		if last, sealed := lastSealed[epoch]; epoch < current || sealed && step < last {
			if err := st.Delete(ctx, info.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// survey collects what sweepOrphans spares: volumes that are named, and the steps whose manifests cannot be read, as those
// may name any. lastSealed is the last step that each epoch sealed.
func survey(entries []Entry) (named map[string]bool, unreadable map[int]bool, lastSealed map[int]int) {
	named, unreadable, lastSealed = map[string]bool{}, map[int]bool{}, map[int]int{}
	for _, e := range entries {
		if e.Manifest == nil {
			unreadable[e.Step] = true
			continue
		}
		for _, record := range e.Manifest.Volumes {
			named[e.Manifest.volumeKey(record)] = true
		}
		lastSealed[e.Manifest.Epoch] = max(lastSealed[e.Manifest.Epoch], e.Step)
	}
	return named, unreadable, lastSealed
}
