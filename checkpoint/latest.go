package checkpoint

import (
	"context"
	"fmt"

	"github.com/textground/textground/store"
)

// Entry is one step that has a manifest. Problem is what a look at the manifests alone finds wrong with it.
type Entry struct {
	Step     int
	Manifest *Manifest // nil if it cannot be read
	Problem  error
}

// Skipped is a checkpoint that was passed over.
type Skipped struct {
	Step   int
	Reason error
}

func (s Skipped) String() string { return fmt.Sprintf("step %d skipped: %v", s.Step, s.Reason) }

// List reads all manifests of a lineage, by rising step. Volumes are not looked at: Verify does that.
func List(ctx context.Context, st store.Store, l Lineage) ([]Entry, error) {
	steps, err := sealedSteps(ctx, st, l)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	epoch := 0
	for _, step := range steps {
		m, err := ReadManifest(ctx, st, l, step)
		if err != nil && !unusable(err) {
			return nil, fmt.Errorf("list the checkpoints of %s: %w", l, err)
		}
		if m != nil && m.Epoch < epoch {
			err = damaged("epoch %d sealed it after epoch %d had sealed an earlier step: its coordinator had been replaced", m.Epoch, epoch)
		}
		if err == nil {
			epoch = m.Epoch
		}
		entries = append(entries, Entry{Step: step, Manifest: m, Problem: err})
	}
	return entries, nil
}

// sealedSteps lists the steps that have a manifest, rising: keys are sorted and steps have a fixed width.
func sealedSteps(ctx context.Context, st store.Store, l Lineage) ([]int, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	infos, err := st.List(ctx, l.stepsPrefix())
	if err != nil {
		return nil, fmt.Errorf("list the checkpoints of %s: %w", l, err)
	}
	var steps []int
	for _, info := range infos {
		if step, rest, ok := l.splitStepKey(info.Key); ok && rest == manifestName {
			steps = append(steps, step)
		}
	}
	return steps, nil
}

// Found is where a run can go on.
type Found struct {
	Manifest *Manifest // nil if the lineage has no checkpoint yet
	State    *State
	Skipped  []Skipped // newer checkpoints that cannot be used, newest first
}

// Latest loads the newest checkpoint that verifies completely. Everything newer that does not is listed with its reason;
// if there are checkpoints and none verifies, the error is ErrNoneValid and the list is there too. A store that fails is
// an error and never a reason to fall back.
func Latest(ctx context.Context, st store.Store, l Lineage) (Found, error) {
	entries, err := List(ctx, st, l)
	if err != nil {
		return Found{}, err
	}
	var found Found
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		state, err := (*State)(nil), e.Problem
		if err == nil {
			state, err = Load(ctx, st, e.Manifest)
		}
		if err == nil {
			found.Manifest, found.State = e.Manifest, state
			return found, nil
		}
		if !unusable(err) {
			return Found{}, err
		}
		found.Skipped = append(found.Skipped, Skipped{Step: e.Step, Reason: err})
	}
	if len(entries) > 0 {
		return found, fmt.Errorf("%s: %w: %d were tried, the newest: %w", l, ErrNoneValid, len(entries), found.Skipped[0].Reason)
	}
	return found, nil
}

// Lineages lists all histories in a store that have an epoch or a checkpoint, sorted by run and number.
func Lineages(ctx context.Context, st store.Store) ([]Lineage, error) {
	infos, err := st.List(ctx, "runs/")
	if err != nil {
		return nil, fmt.Errorf("list the runs of %s: %w", st, err)
	}
	seen := map[Lineage]bool{}
	var lineages []Lineage
	for _, info := range infos {
		if l, ok := lineageOf(info.Key); ok && !seen[l] {
			seen[l] = true
			lineages = append(lineages, l)
		}
	}
	sortLineages(lineages)
	return lineages, nil
}
