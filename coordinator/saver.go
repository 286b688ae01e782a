package coordinator

import (
	"context"
	"fmt"
	"time"

	"github.com/textground/textground/checkpoint"
	"github.com/textground/textground/store"
)

// Saver seals the checkpoints of one run and lets the old ones go.
type Saver struct {
	Store      store.Store
	Lineage    checkpoint.Lineage
	Epoch      int
	Identity   checkpoint.Identity
	Parameters func(step int) []checkpoint.Parameter // with the updates each has had after step
	Newest     *checkpoint.Manifest                  // that the run goes on from; nil before the first
	Retention  *checkpoint.Retention
	Now        func() time.Time
}

// seal writes the manifest of the state after step from what the writers of its volumes reported.
func (s *Saver) seal(ctx context.Context, step int, nonce string, reported map[int]string) (*checkpoint.Manifest, error) {
	m := checkpoint.Manifest{
		Run: s.Lineage.Run, Lineage: s.Lineage.Number, Step: step + 1, Epoch: s.Epoch, Nonce: nonce, Sealed: s.Now(),
		Identity: s.Identity, Metrics: map[string]checkpoint.Float{}, Parameters: s.Parameters(step),
	}
	if s.Newest != nil {
		m.Parent = s.Newest.Digest
	}
	for volume := range len(reported) {
		written, err := checkpoint.DecodeWritten(reported[volume])
		if err != nil {
			return nil, fmt.Errorf("volume %d of step %d: %w", volume, step, err)
		}
		if m.ParamsSHA256 != "" && m.ParamsSHA256 != written.ParamsSHA256 {
			return nil, fmt.Errorf("step %d: two writers hold different parameters, %.12s and %.12s", step, m.ParamsSHA256, written.ParamsSHA256)
		}
		m.ParamsSHA256 = written.ParamsSHA256
		m.Volumes = append(m.Volumes, written.Record)
	}
	sealed, err := checkpoint.Seal(ctx, s.Store, m)
	if err == nil {
		s.Newest = sealed
	}
	return sealed, err
}

// discard removes what was written of an abandoned save.
func (s *Saver) discard(ctx context.Context, step int, nonce string) error {
	return checkpoint.Discard(ctx, s.Store, s.Lineage, step+1, checkpoint.Writer{Epoch: s.Epoch, Nonce: nonce})
}

// retain deletes behind newer healthy checkpoints.
func (s *Saver) retain(ctx context.Context) ([]int, error) {
	return s.Retention.Apply(ctx, s.Store, s.Lineage)
}
