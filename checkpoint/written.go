package checkpoint

import (
	"encoding/json"
	"fmt"
)

// Written is what a worker tells the coordinator of a volume that it has written. The digest of all parameters comes from
// the worker's copy of the state, as the coordinator holds none.
type Written struct {
	Record       VolumeRecord `json:"record"`
	ParamsSHA256 string       `json:"params_sha256"`
}

// Encode gives the text that travels in a report.
func (w Written) Encode() string {
	data, err := json.Marshal(w)
	if err != nil {
		panic(fmt.Sprintf("checkpoint: the record of volume %d does not encode: %v", w.Record.Index, err))
	}
	return string(data)
}

// DecodeWritten is the inverse of Encode.
func DecodeWritten(text string) (Written, error) {
	var w Written
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		return w, fmt.Errorf("record of a written volume: %w", err)
	}
	return w, nil
}
