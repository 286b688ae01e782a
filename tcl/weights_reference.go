package tcl

import (
	"maps"

	"gorgonia.org/tensor"
)

// ReferenceState returns a whole model under the names of the reference's state dictionary: the frozen towers and the trainable
// weights. The reference loads it with strict=True. Tensors are shared.
func ReferenceState(cfg Config, clip, grounder Weights) Weights {
	state := make(map[string]*tensor.Dense, len(clip)+len(grounder))
	for _, p := range CLIPParameters(cfg) {
		state[referenceOrigin(p.Name).names[0]] = clip[p.Name]
	}
	maps.Copy(state, grounder)
	return state
}
