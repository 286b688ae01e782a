package segment

import (
	"fmt"
	"iter"

	"github.com/textground/textground/dataset"
	"github.com/textground/textground/dataset/world"
)

// World yields the first held-out scenes of the synthetic world of a seed, as they would come out of its shards.
func World(seed uint64, scenes int) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for i := range scenes {
			if !yield(WorldScene(seed, i)) {
				return
			}
		}
	}
}

// WorldScene is held-out scene i.
func WorldScene(seed uint64, i int) (Sample, error) {
	scene := world.Draw(seed, world.EvalFirst+i)
	image, err := dataset.DecodeImage(scene.JPEG())
	if err != nil {
		return Sample{}, fmt.Errorf("scene %d of the world of seed %d: %w", i, seed, err)
	}
	return Sample{
		Name: fmt.Sprintf("scene %d", i), Caption: scene.Caption, Image: image,
		Truth: NewLabelMap(image.Height, image.Width, scene.Mask),
	}, nil
}
