package checkpoint

import (
	"context"
	"fmt"
	"path"

	"github.com/textground/textground/store"
)

// Discard removes the volumes that a writer has put under a step and that no manifest will name, because the save was given
// up before it was sealed. A volume that is still under way may come after it; retention sweeps it with the next seal.
func Discard(ctx context.Context, st store.Store, l Lineage, step int, w Writer) error {
	infos, err := st.List(ctx, l.stepPrefix(step)+path.Dir(w.volumeName(0))+"/")
	if err != nil {
		return fmt.Errorf("discard the save %s of step %d: %w", w.Nonce, step, err)
	}
	for _, info := range infos {
		if err := st.Delete(ctx, info.Key); err != nil {
			return fmt.Errorf("discard the save %s of step %d: %w", w.Nonce, step, err)
		}
	}
	return nil
}
