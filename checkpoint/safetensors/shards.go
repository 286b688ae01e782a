package safetensors

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// maxShards bounds what an index may name.
const maxShards = 1000

// ParseShards reads the index of a model that was cut into several files (*.safetensors.index.json, as Hugging Face writes it)
// and returns the files' names in order. A name from such a file is trusted with nothing: it must be a plain file name, to be
// looked for beside the index.
func ParseShards(index []byte) ([]string, error) {
	if len(index) > MaxHeaderBytes {
		return nil, fmt.Errorf("shard index: %d bytes are more than %d", len(index), MaxHeaderBytes)
	}
	var parsed struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(index, &parsed); err != nil {
		return nil, fmt.Errorf("shard index: %w", err)
	}
	var shards []string
	for tensor, file := range parsed.WeightMap {
		if file == "" || file == "." || file == ".." || strings.ContainsAny(file, "/\\:\x00") {
			return nil, fmt.Errorf("shard index: tensor %q is said to be in %q, which is no plain file name: shards lie beside their index", tensor, file)
		}
		shards = append(shards, file)
	}
	slices.Sort(shards)
	shards = slices.Compact(shards)
	if len(shards) == 0 || len(shards) > maxShards {
		return nil, fmt.Errorf("shard index: weight_map names %d files, wanted 1 to %d", len(shards), maxShards)
	}
	return shards, nil
}
