package checkpoint

import (
	"context"
	"errors"
	"fmt"

	"github.com/textground/textground/store"
)

// Save writes all volumes of a state, one after the other, and seals them: what a run with one writer does. m is from
// NewManifest, with whatever else the caller has filled in.
func Save(ctx context.Context, st store.Store, m Manifest, s *State) (*Manifest, error) {
	for _, volume := range m.Plan() {
		record, err := WriteVolume(ctx, st, m.lineage(), m.Step, Writer{Epoch: m.Epoch, Nonce: m.Nonce}, volume, s.Values)
		if err != nil {
			return nil, err
		}
		m.Volumes = append(m.Volumes, record)
	}
	return Seal(ctx, st, m)
}

// Seal makes a checkpoint of volumes that are all written: it creates the manifest, last and only if it is absent, and
// returns what stands. A manifest of the same state that is there already, ours from an answer that was lost or that of a
// racing writer, is success; ErrDiverged is another state, ErrFenced a newer coordinator. What stands there but cannot be
// read or has lost a volume is set aside under another name and replaced. Seal may be called again after any error.
func Seal(ctx context.Context, st store.Store, m Manifest) (*Manifest, error) {
	sealed, err := seal(ctx, st, &m)
	if err != nil {
		return nil, fmt.Errorf("seal step %d of %s: %w", m.Step, m.lineage(), err)
	}
	return sealed, nil
}

func seal(ctx context.Context, st store.Store, m *Manifest) (*Manifest, error) {
	if err := m.finish(); err != nil {
		return nil, err
	}
	if err := statVolumes(ctx, st, m); err != nil {
		return nil, err
	}
	const attempts = 3 // a second one follows a manifest set aside, a third another coordinator doing the same
	for range attempts {
		if err := checkFence(ctx, st, m); err != nil {
			return nil, err
		}
		err := st.PutNew(ctx, m.lineage().manifestKey(m.Step), m.encode())
		if err == nil {
			return m, nil
		}
		if !errors.Is(err, store.ErrExists) {
			return nil, err
		}
		if standing, err := meet(ctx, st, m); standing != nil || err != nil {
			return standing, err
		}
	}
	return nil, fmt.Errorf("the manifest was set aside and came back %d times: are two coordinators running?", attempts)
}

// checkFence looks for a newer coordinator. It is check-then-act and only narrows the window; what closes it is that the
// manifest is created once and that equal states have equal digests.
func checkFence(ctx context.Context, st store.Store, m *Manifest) error {
	highest, err := HighestEpoch(ctx, st, m.lineage())
	if err != nil {
		return err
	}
	if highest > m.Epoch {
		return fmt.Errorf("%w: it has epoch %d, ours is %d", ErrFenced, highest, m.Epoch)
	}
	return nil
}

// meet judges the manifest that stands where m should be created. It returns it if it is as good as m, and neither it
// nor an error if the place is free (again).
func meet(ctx context.Context, st store.Store, m *Manifest) (*Manifest, error) {
	standing, err := ReadManifest(ctx, st, m.lineage(), m.Step)
	if err == nil && standing.Nonce == m.Nonce && standing.State == m.State {
		return standing, nil // our own, its answer was lost
	}
	if err == nil {
		err = judge(ctx, st, standing)
	}
	switch {
	case errors.Is(err, ErrDamaged):
		return nil, setAside(ctx, st, m)
	case err != nil:
		return nil, err
	case standing.State == m.State:
		return standing, nil
	case standing.Epoch > m.Epoch:
		return nil, fmt.Errorf("%w: it sealed state %.12s in epoch %d, ours is %.12s in epoch %d", ErrFenced, standing.State, standing.Epoch, m.State, m.Epoch)
	}
	return nil, fmt.Errorf("%w: %.12s by %s in epoch %d, ours is %.12s by %s in epoch %d", ErrDiverged, standing.State, standing.Nonce, standing.Epoch, m.State, m.Nonce, m.Epoch)
}

// judge asks whether a resume would pass another writer's manifest over: then it is ErrDamaged. One that is intact but
// not finite stands.
func judge(ctx context.Context, st store.Store, standing *Manifest) error {
	entries, err := List(ctx, st, standing.lineage())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Step == standing.Step && e.Problem != nil {
			return e.Problem
		}
	}
	err = Verify(ctx, st, standing, true)
	if errors.Is(err, ErrNotFinite) {
		return nil
	}
	return err
}

// setAside frees the manifest's key and keeps its bytes for whoever wants to know. Should another coordinator have sealed
// in between, its manifest is the one that goes; the state that is sealed next has the same digest.
func setAside(ctx context.Context, st store.Store, m *Manifest) error {
	key := m.lineage().manifestKey(m.Step)
	data, err := readManifestBytes(ctx, st, key)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	aside := fmt.Sprintf("%sset-aside-%.16s.json", m.lineage().stepPrefix(m.Step), digestOf(data))
	if err := st.PutNew(ctx, aside, data); err != nil && !errors.Is(err, store.ErrExists) {
		return err
	}
	return st.Delete(ctx, key)
}
